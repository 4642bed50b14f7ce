"""One operator process: kopf watches, threads reconcile, a small HTTP server shows health and metrics."""

import asyncio
from pathlib import Path
from typing import Any

import kopf
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from homeostat.api.common import API_VERSION, GROUP, VERSION
from homeostat.api.v1alpha1 import KINDS
from homeostat.cluster import ClusterAccess
from homeostat.cluster.connection import Connection, load_connection
from homeostat.cluster.kubernetes import KubernetesCluster
from homeostat.conventions import HTTP_PORT
from homeostat.engines.metrics.prometheus import PrometheusMetrics
from homeostat.engines.objects import ObjectStore
from homeostat.engines.objects.s3 import S3Objects
from homeostat.engines.outcomes.observer import ObserverOutcomes
from homeostat.engines.registry.mlflow import MlflowRegistry
from homeostat.engines.runs import RunEngine, local
from homeostat.engines.runs.kubeflow import client as kubeflow
from homeostat.engines.runs.packages import Packages
from homeostat.engines.serving import kserve, seldon
from homeostat.logs import log_as_json
from homeostat.reconcile.errors import PlatformError
from homeostat.reconcile.names import KIND_LABEL
from homeostat.settings import (
    KubeflowSettings,
    MlflowSettings,
    ObserverSettings,
    PipelinesSettings,
    PrometheusSettings,
    S3Settings,
    load,
)
from homeostat_operators.core.clients import Clients
from homeostat_operators.core.dependencies import dependencies_of
from homeostat_operators.core.event_source import EventSource
from homeostat_operators.core.loop import AnyOperator
from homeostat_operators.core.settings import OperatorSettings
from homeostat_operators.core.workers import Workers
from homeostat_operators.core.workqueue import WorkQueue

STOP_SECONDS = 20.0
"""Given to the reconciliations in progress; less than the 30 seconds that Kubernetes gives a pod."""

ENGINE_KINDS = {**kubeflow.KINDS, **seldon.KINDS, **kserve.KINDS}
"""Plurals of the kinds that engines bring with them."""

PLURALS = {kind.KIND: kind.PLURAL for kind in KINDS}


def run(operator: AnyOperator) -> None:
    """Runs an operator until it is told to stop.

    Raises:
        InvalidSettings: A variable of the environment is missing or wrong.
        PlatformError: The kinds are not installed, or may not be read.
    """
    log_as_json()
    connection = load_connection()
    clients = connect(operator, connection)
    # kopf, too, would find out, but only by watching nothing; this ends the process, and Kubernetes tries again.
    for kind in (operator.resource.KIND, *(d.source for d in dependencies_of(operator.resource.KIND))):
        clients.cluster.list(API_VERSION, kind, None)
    asyncio.run(serve(operator, clients, connection, HTTP_PORT))


def connect(operator: AnyOperator, connection: Connection) -> Clients:
    """Clients of the platform as the environment describes it; only the Kubernetes API is called yet."""
    cluster = KubernetesCluster(connection, f"homeostat-{operator.resource.KIND.lower()}", ENGINE_KINDS)
    objects = S3Objects(load(S3Settings))
    return Clients(
        cluster=cluster,
        objects=objects,
        registry=MlflowRegistry(load(MlflowSettings)),
        metrics=PrometheusMetrics(load(PrometheusSettings)),
        outcomes=ObserverOutcomes(load(ObserverSettings)),
        settings=OperatorSettings.from_environment(),
        runs=_runs(cluster, objects),
    )


def _runs(cluster: KubernetesCluster, objects: ObjectStore) -> dict[str, RunEngine]:
    """Engines of runs that the platform has, by the name that a spec gives them."""
    compiled = Path(load(PipelinesSettings).compiled)
    engines: dict[str, RunEngine] = {local.NAME: local.LocalRuns(cluster, compiled)}
    kubeflow_settings = load(KubeflowSettings)
    if kubeflow_settings.url:
        packages = Packages(compiled, objects, cluster.get)
        identity = cluster_identity(cluster)
        engines[kubeflow.NAME] = kubeflow.KubeflowRuns(kubeflow_settings, identity, packages, cluster.list)
    return engines


def cluster_identity(cluster: ClusterAccess) -> str:
    """What tells this cluster from every other one.

    Raises:
        PlatformError: It may not be read.
    """
    namespace = cluster.get("v1", "Namespace", "", "kube-system")
    if namespace is None:
        raise PlatformError("namespace 'kube-system', whose uid stands for the cluster, does not exist; create it")
    return str(namespace["metadata"]["uid"])


async def serve(operator: AnyOperator, clients: Clients, connection: Connection, port: int) -> None:
    """Watches, reconciles and answers probes until a signal says stop; reconciliations in progress are finished."""
    queue = WorkQueue()
    workers = Workers(operator, clients, queue)
    sign_in(connection)
    settings = watch(operator, EventSource(operator.resource.KIND, queue))
    runner = web.AppRunner(_pages(workers), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    workers.start()
    try:
        await kopf.operator(settings=settings, standalone=True, clusterwide=True)
    finally:
        await asyncio.to_thread(workers.stop, STOP_SECONDS)
        await runner.cleanup()


def sign_in(connection: Connection) -> None:
    """Makes kopf use the same API server and user; it would look for a client library that is not installed."""

    # Called again when the token is no longer accepted.
    @kopf.on.login()
    def _login(**_: Any) -> kopf.ConnectionInfo:
        return login_of(connection)


def login_of(connection: Connection) -> kopf.ConnectionInfo:
    """The connection as kopf takes it, with the token of now."""
    authority = connection.authority
    return kopf.ConnectionInfo(
        server=connection.server,
        # A bundle may begin with a comment, which kopf would take for base64.
        ca_data=authority and authority[authority.find("-----BEGIN ") :],
        insecure=not connection.verify,
        certificate_data=connection.certificate,
        private_key_data=connection.key,
        token=connection.credentials.token(),
        default_namespace=connection.namespace,
        proxy_url=connection.proxy,
    )


def watch(operator: AnyOperator, feed: EventSource) -> kopf.OperatorSettings:
    """Registers the watches of an operator with kopf: its kind, labelled children, and what it depends on.

    Only raw events are asked for: kopf then writes nothing into any object, neither finalizers nor annotations.
    """
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # our Events follow from conditions
    settings.scanning.disabled = True  # kinds are there from the start; spares rights on all CRDs and namespaces
    # A stream that dies in silence is noticed within this time at the latest.
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    own = operator.resource

    @kopf.on.event(GROUP, VERSION, own.PLURAL)
    async def _own(event: Any, **_: Any) -> None:
        feed.own(event["type"], event["object"])

    for api_version, plural in operator.children:
        selector: Any = (*api_version.rpartition("/")[::2], plural)
        settings.watching.label_selectors[selector] = f"{KIND_LABEL}={own.KIND}"

        @kopf.on.event(*selector)
        async def _child(event: Any, **_: Any) -> None:
            feed.child(event["object"])

    for dependency in dependencies_of(own.KIND):

        @kopf.on.event(GROUP, VERSION, PLURALS[dependency.source], param=dependency)
        async def _source(event: Any, param: Any = None, **_: Any) -> None:
            feed.source(param, event["object"])

    return settings


def _pages(workers: Workers) -> web.Application:
    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if workers.alive() else web.Response(text="a worker died\n", status=503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes([web.get("/healthz", healthy), web.get("/metrics", metrics)])
    return application
