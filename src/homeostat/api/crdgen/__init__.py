"""Generates the CRDs and their reference from the models; run as ``python -m homeostat.api.crdgen [--check]``."""
