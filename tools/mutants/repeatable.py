"""A pytest plugin: what Hypothesis draws is the same for every mutant, and failures are not made smaller."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants", derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
settings.load_profile("mutants")
