"""The arithmetic of the loop: pure functions from counts to estimates, causes and verdicts."""
