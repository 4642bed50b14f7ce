"""Runs the test suites, each in its virtual environment, on a cluster that is brought up for them."""
