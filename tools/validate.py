"""`python -m tools.validate`: the chart lints and renders, and its objects and the samples fit the schemas of their kinds."""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from kubernetes.client import models
from pydantic import ValidationError

from tools.cluster import settings
from tools.cluster.helm import helm
from tools.cluster.settings import REPOSITORY, UserError

CHART = REPOSITORY / "charts" / "homeostat"
NAMESPACES = ("--set", "namespaces={churn}")
EXTERNAL = (
    "s3.embedded=false,s3.endpoint=http://s3.example.org,mlflow.embedded=false,mlflow.url=http://mlflow.example.org,"
    "prometheus.embedded=false,prometheus.url=http://prometheus.example.org,valkey.embedded=false,"
    "valkey.url=redis://valkey.example.org,postgres.embedded=false,postgres.url=postgresql://db.example.org/feast"
)
SERVING = "seldon.enabled=true,kserve.enabled=true"
KUBEFLOW = "pipelines.engine=Kubeflow,kubeflow.url=http://ml-pipeline.kubeflow.svc:8888,kubeflow.tokenAudience=kfp"


def schemas() -> dict[str, Any]:
    """The OpenAPI schema of every kind of ours, by kind."""
    found = [yaml.safe_load(path.read_text()) for path in sorted((REPOSITORY / "manifests" / "crds").glob("*.yaml"))]
    return {crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for crd in found}


def _closed(schema: Any) -> Any:
    """The schema with unknown fields refused, as the API server's strict validation does."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "properties" in closed and "additionalProperties" not in closed and closed.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


def _misfits(document: dict[str, Any], where: str) -> list[str]:
    """What is wrong with an object of Kubernetes' own kinds, whose schemas its client library carries."""
    version = document["apiVersion"].rpartition("/")[2]
    model = getattr(models, f"{version.capitalize()}{document['kind']}", None)
    if model is None:
        return [f"{where}: kind {document['kind']!r} of {document['apiVersion']} is unknown"]
    try:
        model.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        return [f"{where}: {'.'.join(map(str, e['loc']))}: {e['msg']} ({e['input']!r})" for e in error.errors()]
    return []


def problems(document: dict[str, Any], definitions: dict[str, Any], where: str) -> list[str]:
    """What is wrong with an object, of our kinds or of Kubernetes' own, each with its field and value."""
    if not {"apiVersion", "kind", "metadata"} <= set(document):
        return [f"{where}: apiVersion, kind and metadata are needed"]
    if not str(document["apiVersion"]).startswith("homeostat.dev/"):
        return _misfits(document, f"{where} {document['metadata'].get('name')}")
    schema = definitions.get(document["kind"])
    if schema is None:
        return [f"{where}: kind {document['kind']!r} is unknown"]
    spec = _closed(schema["properties"]["spec"])
    errors = jsonschema.Draft202012Validator(spec).iter_errors(document.get("spec"))
    return [f"{where}: spec.{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


def _rendered(cluster: settings.Settings, *arguments: str) -> list[dict[str, Any]]:
    text = helm(
        cluster, "template", "homeostat", str(CHART), "--namespace", "homeostat-system", *NAMESPACES, *arguments
    )
    return [document for document in yaml.safe_load_all(text) if document]


def main() -> int:
    """Prints what is wrong, or that nothing is."""
    cluster = settings.load()
    definitions = schemas()
    wrong: list[str] = []
    try:
        helm(cluster, "lint", str(CHART), "--strict", *NAMESPACES)
        local = ("--values", str(CHART / "values-local.yaml"))
        for arguments in ((), local, ("--set", EXTERNAL), ("--set", KUBEFLOW), ("--set", SERVING)):
            for document in _rendered(cluster, *arguments):
                wrong += problems(document, definitions, f"chart {document.get('kind')}")
    except UserError as error:
        wrong.append(str(error))
    samples: list[Path] = sorted((REPOSITORY / "manifests" / "samples").rglob("*.yaml"))
    for path in samples:
        for document in yaml.safe_load_all(path.read_text()):
            wrong += problems(document, definitions, str(path.relative_to(REPOSITORY)))
    print("\n".join(wrong) or f"chart and {len(samples)} sample files: valid")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
