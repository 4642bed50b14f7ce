"""The churn story: the whole loop on real customers, told while it happens."""
