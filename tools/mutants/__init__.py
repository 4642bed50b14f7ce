"""Mutation testing: changes one decision at a time in a module and runs the tests that must notice (docs/adr/0015)."""
