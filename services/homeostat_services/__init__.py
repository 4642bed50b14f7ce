"""The services of Homeostat: predictor, router, observer, features, console."""
