"""The distribution functions of estimates and tests, which are SciPy's.

SciPy is imported by the first call: its import takes longer than all others of a predictor, which counts and judges nothing.
"""

from typing import Any


def _special() -> Any:
    from scipy import special  # noqa: PLC0415 - see above

    return special


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution."""
    return float(_special().ndtri(probability))


def t_quantile(freedom: float, probability: float) -> float:
    """Quantile of Student's distribution with `freedom` degrees of freedom."""
    return float(_special().stdtrit(freedom, probability))


def f_survival(numerator: float, denominator: float, value: float) -> float:
    """Probability that F with these degrees of freedom exceeds a value."""
    return float(_special().fdtrc(numerator, denominator, value))


def chi_square_survival(freedom: float, value: float) -> float:
    """Probability that chi-square with `freedom` degrees of freedom exceeds a value."""
    return float(_special().chdtrc(freedom, value))


def chi_square_quantile(freedom: float, above: float) -> float:
    """The value that chi-square with `freedom` degrees of freedom exceeds with probability `above`."""
    return float(_special().chdtri(freedom, above))
