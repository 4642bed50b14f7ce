"""Pods that the operators create: their resources, and the part of the pod template that is left to users."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from homeostat.api.common import GROUP, INT_OR_STRING, SpecModel, Text, map_list, rule

RESERVED_PREFIX = f"{GROUP}/"
RESERVED_LABELS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/component")
"""Labels of ours beside those with the prefix: pods are found and selected by them."""

_SET_BY_US = "set by Homeostat; use other names"
_RESERVED_NAMES: dict[str, tuple[str, ...]] = {"labels": RESERVED_LABELS, "annotations": ()}
"""Names that are reserved beside those with the prefix, by the field of the metadata."""

_UNTOLERABLE = "value is not allowed with operator Exists, and key is required with operator Equal"


def _as_text(amount: Any) -> Any:
    if isinstance(amount, float):
        raise ValueError(  # noqa: TRY004 - pydantic takes no other
            f'{amount} without quotes is a fraction, not an amount; write "{amount}", or {amount * 1000:g}m'
        )
    return str(amount) if isinstance(amount, int) and not isinstance(amount, bool) else amount


Quantity = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", max_length=32),
    BeforeValidator(_as_text),
    Field(json_schema_extra={INT_OR_STRING: True, "minimum": 0}),
]
"""An amount as Kubernetes writes it; a whole number may be given without quotes."""

LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]


class Resources(SpecModel):
    """Compute resources of a pod."""

    requests: Annotated[dict[str, Quantity], Field(description="Requested amount of each resource.", max_length=8)] = {}
    limits: Annotated[dict[str, Quantity], Field(description="Limit of each resource.", max_length=8)] = {}


class TolerationOperator(StrEnum):
    """How a toleration compares the value of a taint."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """Effect of a taint."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(SpecModel):
    """A toleration, as in a pod."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "has(self.operator) && self.operator == 'Exists' ? !has(self.value) : has(self.key)", _UNTOLERABLE
                ),
                rule(
                    "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
                    "tolerationSeconds is allowed only with effect NoExecute",
                ),
            ]
        }
    )

    key: Annotated[str | None, Field(description="Key of the taint; absent: any taint.", max_length=317)] = None
    operator: Annotated[
        TolerationOperator | None, Field(description="Comparison with the taint's value; absent: Equal.")
    ] = None
    value: Annotated[LabelValue | None, Field(description="Value of the taint, with operator Equal.")] = None
    effect: Annotated[TaintEffect | None, Field(description="Effect of the taint; absent: any effect.")] = None
    toleration_seconds: Annotated[
        int | None,
        Field(description="Seconds until eviction, with effect NoExecute; absent: never.", ge=0, le=315360000),
    ] = None

    @model_validator(mode="after")
    def _fits(self) -> "Toleration":
        exists = self.operator is TolerationOperator.EXISTS
        if (exists and self.value is not None) or (not exists and self.key is None):
            raise ValueError(_UNTOLERABLE)
        if self.toleration_seconds is not None and self.effect is not TaintEffect.NO_EXECUTE:
            raise ValueError("tolerationSeconds is allowed only with effect NoExecute")
        return self


def _not_ours(what: str) -> AfterValidator:
    def check(given: dict[str, str]) -> dict[str, str]:
        taken = sorted(n for n in given if n.startswith(RESERVED_PREFIX) or n in _RESERVED_NAMES[what])
        if taken:
            raise ValueError(f"{what} {', '.join(taken)}: {_SET_BY_US}")
        return given

    return AfterValidator(check)


def _added(what: str) -> Any:
    """The field of labels or annotations that are added to ours."""
    names = _RESERVED_NAMES[what]
    is_ours = f"name.startsWith('{RESERVED_PREFIX}')" + (f" || name in {list(names)}" if names else "")
    reserved = ", ".join(filter(None, [f"{what} that begin with {RESERVED_PREFIX}", " and ".join(names)]))
    naming = f"'{what} ' + self.filter(name, {is_ours})[0] + ': {_SET_BY_US}'"
    return Field(
        description=f"{what.capitalize()} that are added to the pods; those that Homeostat sets are refused.",
        max_length=16,
        json_schema_extra={
            "x-kubernetes-validations": [rule(f"!self.exists(name, {is_ours})", f"{reserved}: {_SET_BY_US}", naming)]
        },
    )


class PodMetadata(SpecModel):
    """Metadata that is added to the pods."""

    labels: Annotated[dict[str, LabelValue], _added("labels"), _not_ours("labels")] = {}
    annotations: Annotated[dict[str, Text], _added("annotations"), _not_ours("annotations")] = {}


class ImagePullSecret(SpecModel):
    """A Secret of the pods' namespace with which images are pulled."""

    name: Annotated[
        str,
        Field(description="Name of the Secret.", pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253),
    ]


class PodSpec(SpecModel):
    """Scheduling of the pods, and how their images are pulled."""

    node_selector: Annotated[
        dict[str, LabelValue], Field(description="Labels of the nodes on which the pods may run.", max_length=16)
    ] = {}
    tolerations: Annotated[list[Toleration], Field(description="Taints that the pods tolerate.", max_length=16)] = []
    priority_class_name: Annotated[
        str | None,
        Field(
            description="PriorityClass of the pods.",
            pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
            max_length=253,
        ),
    ] = None
    image_pull_secrets: Annotated[
        list[ImagePullSecret],
        Field(
            description="Secrets with which the images of the pods are pulled.",
            max_length=8,
            json_schema_extra=map_list("name"),
        ),
    ] = []


class PodTemplate(SpecModel):
    """What is added to the template of pods, with the names that Kubernetes gives it."""

    metadata: Annotated[PodMetadata, Field(description="Metadata that is added to the pods.")] = PodMetadata()
    spec: Annotated[PodSpec, Field(description="Scheduling of the pods, and how their images are pulled.")] = PodSpec()


PodTemplateField = Annotated[
    PodTemplate | None,
    Field(description="Labels, annotations and scheduling of the pods, in addition to the platform's defaults."),
]


class PodOptions(SpecModel):
    """What can be given for the pods of one purpose."""

    resources: Annotated[Resources, Field(description="Compute resources of each pod.")] = Resources()
    pod_template: PodTemplateField = None
