"""Compiled pipelines: what one declares, and where one is read from."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError

from homeostat.api.v1alpha1.trainingjob import PipelineRef
from homeostat.artifacts.bundle import digest_of
from homeostat.documents import TolerantDocument
from homeostat.engines.objects import ObjectStore
from homeostat.engines.runs import parameters
from homeostat.reconcile.errors import InvalidSpec, ObjectNotFound
from homeostat.runs import input_text

FORMER_NAMES = {"tabular-classification": "tabular"}
"""Names that pipelines which ship with the platform had before 0.3.0, with those that they have."""

GetObject = Callable[[str, str, str, str], dict[str, Any] | None]
"""Object by apiVersion, kind, namespace and name."""

JOB = "job"
DIGEST = "pipeline_digest"
INPUT_LIMIT = 48 * 1024
"""Bytes of a run's input as a parameter: Argo hands it, escaped, to commands as one argument, which Linux limits to 128 KiB.
With version 2.0 of the backend 48 KiB arrive, and no step starts with 60."""


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        name: Its name.
        digest: Digest of its text.
        spec: Its pipeline spec.
        platforms: What it asks of each platform, as its platform spec says it.
        backend_ids: Identifiers of the pipeline and of its version, where the engine has it already.
    """

    name: str
    digest: str
    spec: dict[str, Any] = field(repr=False)
    platforms: dict[str, Any] = field(default_factory=dict, repr=False)
    backend_ids: tuple[str, str] | None = None

    @property
    def declared(self) -> dict[str, dict[str, Any]]:
        """Its input parameters by name."""
        inputs: dict[str, dict[str, Any]] = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        return inputs

    def arguments(self, document: TolerantDocument, given: Mapping[str, str]) -> dict[str, parameters.Value]:
        """Values of its inputs for a run.

        Args:
            document: The input document of the run.
            given: Parameters by name, as texts.

        Raises:
            InvalidSpec: The document is too long, a parameter is unknown, its text is not of its type, or one that it needs
                is not given.
        """
        own: dict[str, parameters.Value] = {JOB: input_text(document, INPUT_LIMIT)}
        if DIGEST in self.declared:
            own[DIGEST] = self.digest
        return {**own, **parameters.arguments(self.declared, given)}


class _Inputs(BaseModel):
    parameters: dict[str, dict[str, Any]] = Field(default_factory=dict)
    artifacts: dict[str, dict[str, Any]] = Field(default_factory=dict)


class _Root(BaseModel):
    inputDefinitions: _Inputs = Field(default_factory=_Inputs)  # noqa: N815 - as the format spells it


class _Info(BaseModel):
    name: str = Field(min_length=1, max_length=100)


class _Deployment(BaseModel):
    executors: dict[str, dict[str, Any]] = Field(min_length=1)


class _Format(BaseModel):
    """The parts of a pipeline spec that are relied on."""

    pipelineInfo: _Info  # noqa: N815 - as the format spells it
    schemaVersion: Literal["2.1.0"]  # noqa: N815 - as above
    root: _Root
    deploymentSpec: _Deployment  # noqa: N815 - as above


def parse(content: bytes, where: str, backend_ids: tuple[str, str] | None = None) -> Package:
    """A compiled pipeline from its YAML.

    Args:
        content: The text.
        where: Field and value of the spec that led to it, for messages.
        backend_ids: Identifiers at the engine.

    Raises:
        InvalidSpec: It is not a compiled pipeline, or not one that a training can be.
    """
    try:
        documents = [document for document in yaml.safe_load_all(content) if isinstance(document, dict)]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidSpec(f"{where} is not valid YAML: {' '.join(str(error).split())}; {_REMEDY}") from error
    specs = [document for document in documents if "pipelineInfo" in document]
    if len(specs) != 1:
        raise InvalidSpec(f"{where} holds {len(specs)} pipeline specs; exactly one is needed; {_REMEDY}")
    try:
        known = _Format.model_validate(specs[0])
    except ValidationError as error:
        first = error.errors()[0]
        field_ = ".".join(map(str, first["loc"]))
        raise InvalidSpec(f"{where} is not a compiled pipeline: {field_}: {first['msg']}; {_REMEDY}") from error
    inputs = known.root.inputDefinitions
    if inputs.parameters.get(JOB, {}).get("parameterType") != "STRING":
        raise InvalidSpec(
            f"{where} declares no input {JOB!r} of type STRING; declare it: it receives the run's request and the "
            "location of its result"
        )
    needed = sorted(name for name, artifact in inputs.artifacts.items() if not artifact.get("isOptional"))
    if needed:
        raise InvalidSpec(
            f"{where} needs the input artifact {needed[0]!r}, which the platform cannot supply; make it optional"
        )
    platforms: dict[str, Any] = next((document["platforms"] for document in documents if "platforms" in document), {})
    return Package(known.pipelineInfo.name, digest_of(content), specs[0], platforms, backend_ids)


_REMEDY = "give the YAML that kfp 2 compiles"


@functools.cache
def bundled(folder: Path, name: str) -> Package:
    """The pipeline of that name that ships with the platform.

    Raises:
        InvalidSpec: There is none.
    """
    known, file = sorted(each.stem for each in folder.glob("*.yaml")), FORMER_NAMES.get(name, name)
    if file not in known:
        raise InvalidSpec(f"spec.pipeline.name {name!r} is unknown; use one of {', '.join(known)}")
    return parse((folder / f"{file}.yaml").read_bytes(), f"spec.pipeline.name {name!r}")


@dataclass(frozen=True)
class Packages:
    """Packages by what a spec names: bundled ones, files in the object store, entries of ConfigMaps.

    Attributes:
        folder: Folder of the pipelines that ship with the platform.
        objects: The object store.
        get: Reads an object of Kubernetes.
    """

    folder: Path
    objects: ObjectStore
    get: GetObject

    def load(self, namespace: str, pipeline: PipelineRef) -> Package:
        """The package that the spec of an object in a namespace names.

        Raises:
            InvalidSpec: It is not a compiled pipeline, or not one that a training can be.
            ObjectNotFound: It is not there.
            EngineUnavailable: The object store or Kubernetes does not answer.
        """
        if pipeline.config_map_ref is not None:
            return self._of_config_map(namespace, pipeline.config_map_ref.name, pipeline.config_map_ref.key)
        if pipeline.uri is not None:
            where = f"spec.pipeline.uri {pipeline.uri!r}"
            try:
                return parse(self.objects.read(pipeline.uri), where)
            except ObjectNotFound:
                raise ObjectNotFound(f"{where} is not there; put the compiled pipeline there") from None
        return bundled(self.folder, str(pipeline.name))

    def _of_config_map(self, namespace: str, name: str, key: str) -> Package:
        where = f"spec.pipeline.configMapRef {name!r}"
        found = self.get("v1", "ConfigMap", namespace, name)
        if found is None:
            raise ObjectNotFound(f"{where} does not exist in namespace {namespace!r}; create the ConfigMap")
        entries = found.get("data", {})
        if key not in entries:
            has = f"it has {', '.join(sorted(entries))}" if entries else "it is empty"
            raise ObjectNotFound(f"{where} has no entry {key!r}: {has}; add the compiled pipeline under that key")
        return parse(entries[key].encode(), f"{where}, entry {key!r},")
