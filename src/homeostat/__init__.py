"""Homeostat keeps machine-learning models at their set-point on Kubernetes."""
