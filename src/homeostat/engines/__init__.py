"""Ports to the engines, and their adapters: one folder per port, each with an in-memory twin that passes the same tests."""
