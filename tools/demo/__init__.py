"""Stories: the whole loop on real data, shown while it happens; `make demo` runs that of churn."""
