"""The operators of Homeostat: one reconcile loop, and per kind what to look at and what to decide."""
