"""How well the families of `tabular` predict without a search: beside their libraries' defaults and a search of 60 s.

Run by `make bench-families`. On the public data sets of `support.public_data`, three quarters of the rows to train on, by hash.
The search is Optuna's over histogram gradient boosting, SECONDS of CPU time, three folds by another hash; what it finds is
trained on all rows. Prints the mean log loss, or for numbers the root mean squared error in standard deviations, on the rest, as
a table; and of each family its ratio to the search, and how often its loss is above that of the library's default by more than
two standard errors. The defaults of histogram gradient boosting are its library's; it is compared as HELD_BACK.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import lightgbm
import numpy as np
import optuna
import xgboost
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from homeostat.intervals import Floats
from homeostat.threads import configure
from homeostat_pipelines import families
from support.public_data import SOURCES, Data, load

SECONDS = float(os.environ.get("SECONDS", "60"))
SEED, FOLDS, HELD_OUT = 1, 3, 0.25

HELD_BACK: dict[str, object] = {
    "learning_rate": 0.05,
    "max_iter": 200,
    "max_leaf_nodes": 15,
    "l2_regularization": 5.0,
    "max_features": 0.5,
}

LIBRARIES: dict[str, Callable[[bool], object]] = {
    "hist-gradient-boosting": lambda number: (
        HistGradientBoostingRegressor(random_state=SEED)
        if number
        else HistGradientBoostingClassifier(random_state=SEED)
    ),
    "lightgbm": lambda number: (lightgbm.LGBMRegressor if number else lightgbm.LGBMClassifier)(verbosity=-1, seed=SEED),
    "xgboost": lambda number: (xgboost.XGBRegressor if number else xgboost.XGBClassifier)(random_state=SEED),
    "random-forest": lambda number: (RandomForestRegressor if number else RandomForestClassifier)(random_state=SEED),
    "extra-trees": lambda number: (ExtraTreesRegressor if number else ExtraTreesClassifier)(random_state=SEED),
    "linear": lambda number: Ridge() if number else LogisticRegression(max_iter=1_000),
}
"""Each family's library with its own defaults."""


def of_library(name: str, train: Data, test: Data) -> Floats:
    """Losses of the library's default; where it takes no missing value, behind the median, and a line behind scaling."""
    model = LIBRARIES[name](not train.classes)
    if name in {"random-forest", "extra-trees", "linear"}:
        model = make_pipeline(
            SimpleImputer(strategy="median"), *([StandardScaler()] if name == "linear" else []), model
        )
    model.fit(train.matrix, train.target)  # type: ignore[attr-defined]
    given = model.predict_proba(test.matrix) if train.classes else model.predict(test.matrix)  # type: ignore[attr-defined]
    return test.losses(np.asarray(given, dtype=np.float64))


def of_family(parameters: dict[str, object], train: Data, test: Data) -> Floats:
    """Losses of a family of ours."""
    family = families.chosen(parameters)
    fitted = family.fit(train.matrix.astype(family.DTYPE), train.target, train.classes, SEED)
    return test.losses(fitted.outputs(test.matrix.astype(family.DTYPE)))


def folds(data: Data) -> Iterator[tuple[Data, Data]]:
    """Parts to train on and to test on; the hash of a row, moved on, decides."""
    fold = (data.share * 1e6 % FOLDS).astype(np.int64)
    for number in range(FOLDS):
        yield data.rows(fold != number), data.rows(fold == number)


def searched(train: Data, test: Data) -> tuple[Floats, int]:
    """Losses of the best parameters that the search finds in SECONDS of CPU time, and its number of trials."""

    def objective(trial: optuna.Trial) -> float:
        parameters: dict[str, object] = HELD_BACK | {
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "max_iter": trial.suggest_int("max_iter", 30, 400, log=True),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 3, 64, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 5, 100, log=True),
            "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 100, log=True),
        }
        return statistics.mean(float(of_family(parameters, *fold).mean()) for fold in folds(train))

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=SEED))
    end = time.process_time() + SECONDS
    while time.process_time() < end:
        study.optimize(objective, n_trials=1)
    return of_family(HELD_BACK | study.best_params, train, test), len(study.trials)


def figure(losses: Floats, classes: int) -> float:
    """The loss of all rows as it is shown."""
    return float(losses.mean()) if classes else float(losses.mean()) ** 0.5


def compared(name: str, chosen: list[str]) -> dict[str, tuple[float, float]]:
    """Prints one data set; of each family the ratio to the search, and the distance from its library in standard errors."""
    data = load(name)
    train, test = data.rows(data.share < 1 - HELD_OUT), data.rows(data.share >= 1 - HELD_OUT)
    best, trials = searched(train, test)
    found, cells = {}, []
    for family in chosen:
        given = HELD_BACK if family == families.DEFAULT else {}
        ours, theirs = of_family({"family": family, **given}, train, test), of_library(family, train, test)
        difference = ours - theirs
        error = float(difference.std(ddof=1)) / difference.size**0.5
        ratio = figure(ours, data.classes) / figure(best, data.classes)
        found[family] = (ratio, float(difference.mean()) / error if error else 0.0)
        cells.append(f"{figure(ours, data.classes):.4f} ({figure(theirs, data.classes):.4f})")
    kind = f"{data.classes} classes" if data.classes else "number"
    search = f"{figure(best, data.classes):.4f} ({trials})"
    print("|", " | ".join([name, f"{len(data.target):,}", kind, search, *cells]), "|", flush=True)  # noqa: T201 - a benchmark prints
    return found


def main() -> int:
    """Prints the table and what follows from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", choices=families.FAMILIES, default=list(families.FAMILIES))
    parser.add_argument("--data", nargs="+", choices=SOURCES, default=list(SOURCES))
    given = parser.parse_args()
    head = ["data set", "rows", "predicts", "search (trials)", *(f"`{name}` (library)" for name in given.families)]
    print("|", " | ".join(head), "|")  # noqa: T201 - as above
    print("|" + "---|" * len(head))  # noqa: T201 - as above
    rows = [compared(name, given.families) for name in given.data]
    for family in given.families:
        ratios, distances = zip(*(row[family] for row in rows), strict=True)
        print(  # noqa: T201 - as above
            f"{family}: median ratio to the search {statistics.median(ratios):.3f}, largest {max(ratios):.3f}; "
            f"worse than the library's default by more than 2 standard errors: {sum(d > 2 for d in distances)} of {len(rows)}"
        )
    return 0


if __name__ == "__main__":
    configure()
    sys.exit(main())
