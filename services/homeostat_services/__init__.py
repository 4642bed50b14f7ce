"""The services of Homeostat: predictor, router, observer, features, console."""

from homeostat import threads

# Before anything imports numpy: native libraries read their number of threads when they are loaded.
threads.configure()
