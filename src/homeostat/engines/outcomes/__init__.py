"""Outcomes: what became of predictions, as the observer knows it."""

from datetime import datetime
from typing import Protocol

from homeostat.artifacts.holdout import Holdout
from homeostat.artifacts.outcomes import LabelGain
from homeostat.signals.shadow import ShadowComparison
from homeostat.tasks import AnyCohort


class Outcomes(Protocol):
    """Real outcomes of predictions.

    Every method raises EngineUnavailable when the observer does not answer, and PlatformError when it refuses.
    """

    def cohort(self, namespace: str, deployment: str, version: str, start: datetime, end: datetime) -> AnyCohort:
        """Predictions of one version made after start, up to and including end, with the outcomes known now."""
        ...

    def shadow(self, namespace: str, deployment: str, version: str, since: datetime) -> ShadowComparison:
        """A version's predictions on the newest mirrored requests after since, compared with those returned to callers."""
        ...

    def label_gain(self, namespace: str, deployment: str, since: datetime, model: str, holdout: Holdout) -> LabelGain:
        """What exported outcomes of predictions made since then, of any version, add to a training of a model.

        Args:
            namespace: Namespace of the deployment.
            deployment: Name of the deployment.
            since: Time of the earliest prediction that counts.
            model: `<namespace>.<model>`, whose holdout no version is trained on.
            holdout: How it is chosen; of groups, whose features the observer does not know, the same share of entities counts.
        """
        ...
