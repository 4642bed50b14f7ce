"""The operators of Homeostat: one reconcile loop, and per kind what to look at and what to decide."""

from homeostat import threads

# Before anything imports numpy: native libraries read their number of threads when they are loaded.
threads.configure()
