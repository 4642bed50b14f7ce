"""For every property test: no deadline, because a busy machine may pause for longer than any example takes."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
