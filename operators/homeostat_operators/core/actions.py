"""What a plan may ask for, as values, and the one place where it is done.

Every action can be repeated: a crash after it, or a doubt whether it happened, is answered by doing it again.
"""

from dataclasses import dataclass
from typing import assert_never

from homeostat.cluster import Manifest
from homeostat.cluster.once import create_once, maker_of
from homeostat.engines.runs import RunRequest, RunState
from homeostat.reconcile.errors import PlatformError
from homeostat_operators.core.clients import Clients


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a child that converges."""

    manifest: Manifest


@dataclass(frozen=True)
class CreateOnce:
    """Create of a numbered child that runs once; one that is there already and is ours is taken as created."""

    manifest: Manifest


@dataclass(frozen=True)
class Delete:
    """Deletion of the object with this uid and then of its dependents; the object stays until those are gone."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Launch:
    """A run is submitted to an engine, once."""

    engine: str
    request: RunRequest


@dataclass(frozen=True)
class Stop:
    """A run at an engine is ended."""

    engine: str
    run: RunState


@dataclass(frozen=True)
class Register:
    """Registration of a model version, once for each intent."""

    model: str
    intent: str
    uri: str
    digest: str
    tags: dict[str, str]


@dataclass(frozen=True)
class SetAlias:
    """An alias of a registered model points to a version."""

    model: str
    alias: str
    version: str


@dataclass(frozen=True)
class TagVersion:
    """A tag of a registered version."""

    model: str
    version: str
    key: str
    value: str


Action = Apply | CreateOnce | Delete | Launch | Stop | Register | SetAlias | TagVersion


def perform(action: Action, clients: Clients) -> None:
    """Does what an action says.

    Raises:
        PlatformError: Of the kind that says who must act; Conflict when the state must be looked at again.
    """
    match action:
        case Apply(manifest):
            _apply(manifest, clients)
        case CreateOnce(manifest):
            create_once(manifest, clients.cluster)
        case Delete(api_version, kind, namespace, name, uid):
            clients.cluster.delete(api_version, kind, namespace, name, uid)
        case Launch(engine, request):
            clients.runs[engine].submit(request)
        case Stop(engine, run):
            clients.runs[engine].stop(run)
        case Register(model, intent, uri, digest, tags):
            clients.registry.register(model, intent, uri, digest, tags)
        case SetAlias(model, alias, version):
            clients.registry.set_alias(model, alias, version)
        case TagVersion(model, version, key, value):
            clients.registry.set_tag(model, version, key, value)
        case _:
            assert_never(action)


def _apply(manifest: Manifest, clients: Clients) -> None:
    meta = manifest["metadata"]
    existing = clients.cluster.get(manifest["apiVersion"], manifest["kind"], meta["namespace"], meta["name"])
    if existing is not None and maker_of(existing) != maker_of(manifest):
        raise PlatformError(
            f"{manifest['kind']} {meta['namespace']}/{meta['name']} already exists and belongs to something else; "
            "delete or rename it"
        )
    clients.cluster.apply(manifest)
