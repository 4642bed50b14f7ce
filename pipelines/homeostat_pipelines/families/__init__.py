"""Families of models that the pipeline `tabular` can train: one module each behind `Family`, loaded only where it is chosen."""

from collections.abc import Mapping
from importlib import import_module

from pydantic import ValidationError

from homeostat.reconcile.errors import InvalidData, PlatformError
from homeostat_pipelines.families.protocol import Family

FAMILY = "family"
"""The parameter that names a family."""

DEFAULT = "hist-gradient-boosting"

UNSET = -1
"""Value of a parameter that leaves it to the family: KFP passes every parameter of a pipeline on."""

FAMILIES = {
    DEFAULT: "hist_gradient_boosting.HistGradientBoosting",
    "lightgbm": "light_gbm.LightGBM",
    "xgboost": "xg_boost.XGBoost",
    "random-forest": "forests.RandomForest",
    "extra-trees": "forests.ExtraTrees",
    "linear": "linear.Linear",
}
"""Module and class of each family by its name."""


def named(parameters: Mapping[str, object]) -> str:
    """Name of the family that parameters of the pipeline choose.

    Raises:
        InvalidData: There is none of that name.
    """
    name = str(parameters.get(FAMILY, DEFAULT))
    if name not in FAMILIES:
        raise InvalidData(
            f"parameter {FAMILY} is {name!r}; use one of {', '.join(FAMILIES)} in spec.pipeline.parameters"
        )
    return name


def chosen(parameters: Mapping[str, object]) -> Family:
    """The family that parameters of the pipeline name, with its own ones among them.

    Raises:
        InvalidData: The family is unknown, has no such parameter, or a value is out of bounds.
        PlatformError: Its library cannot be loaded.
    """
    name = named(parameters)
    family = _loaded(name)
    given = {key: value for key, value in parameters.items() if key != FAMILY and value != UNSET}
    if foreign := sorted(given.keys() - family.model_fields.keys()):
        raise InvalidData(
            f"parameter {foreign[0]} is not one of the family {name}, which has {', '.join(family.model_fields)}; "
            "remove it from spec.pipeline.parameters"
        )
    try:
        return family.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(f"parameter {e['loc'][0]} is {e['input']!r}: {e['msg']}" for e in error.errors())
        raise InvalidData(f"{wrong}; correct spec.pipeline.parameters") from error


def _loaded(name: str) -> type[Family]:
    module, _, kind = FAMILIES[name].partition(".")
    try:
        family: type[Family] = getattr(import_module(f"{__name__}.{module}"), kind)
    except OSError as error:  # a native library that another one needs
        raise PlatformError(f"the library of the family {name} cannot be loaded: {error}; install that file") from error
    return family
