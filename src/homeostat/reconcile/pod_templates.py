"""What an object and the platform's defaults add to the pods that the operators create; pure."""

from typing import Any, TypeVar

from homeostat.api.v1alpha1.pods import PodMetadata, PodOptions, PodSpec, PodTemplate, Resources
from homeostat.reconcile.quantity import parse_quantity

Manifest = dict[str, Any]
OneT = TypeVar("OneT")


def completed(given: PodOptions, defaults: PodOptions) -> PodOptions:
    """The options of an object with the platform's defaults in the places that it leaves open.

    A default request above a limit of the object is left out, and so is a default limit below a request of the object.

    Args:
        given: Of the object.
        defaults: Of the platform, for pods of this purpose.
    """
    own, base = given.resources, defaults.resources
    resources = Resources(
        requests={n: a for n, a in base.requests.items() if _fits(a, own.limits.get(n, a))} | own.requests,
        limits={n: a for n, a in base.limits.items() if _fits(own.requests.get(n, a), a)} | own.limits,
    )
    return PodOptions(resources=resources, pod_template=merged(defaults.pod_template, given.pod_template))


def _fits(request: str, limit: str) -> bool:
    return parse_quantity(request) <= parse_quantity(limit)


def merged(*templates: PodTemplate | None) -> PodTemplate:
    """One template of several: later labels, annotations, selectors and priority class win, tolerations and secrets add up."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    selector: dict[str, str] = {}
    spec = PodSpec()
    for template in filter(None, templates):
        labels |= template.metadata.labels
        annotations |= template.metadata.annotations
        selector |= template.spec.node_selector
        spec = PodSpec(
            node_selector=selector,
            tolerations=_together(spec.tolerations, template.spec.tolerations),
            priority_class_name=template.spec.priority_class_name or spec.priority_class_name,
            image_pull_secrets=_together(spec.image_pull_secrets, template.spec.image_pull_secrets),
        )
    return PodTemplate(metadata=PodMetadata(labels=labels, annotations=annotations), spec=spec)


def _together(some: list[OneT], more: list[OneT]) -> list[OneT]:
    return [*some, *(one for one in more if one not in some)]


def applied(template: PodTemplate | None, manifest: Manifest) -> Manifest:
    """A pod template of ours, ``{metadata, spec}``, with what is added to it; what is ours always stays.

    Args:
        template: What is added; None: nothing.
        manifest: The pod template as Kubernetes writes it.
    """
    if template is None:
        return manifest
    extra = template.metadata.model_dump(mode="json")
    own = manifest.get("metadata", {})
    metadata = {**own, **{key: {**extra[key], **own.get(key, {})} for key in extra if extra[key]}}
    scheduling = template.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**manifest, "metadata": metadata, "spec": {**manifest["spec"], **_without_empty(scheduling)}}


def _without_empty(fields: Manifest) -> Manifest:
    return {name: value for name, value in fields.items() if value}
