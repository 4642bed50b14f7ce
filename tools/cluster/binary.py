"""Builds the one binary that holds all of Kubernetes, once per content of its sources and Go version."""

from pathlib import Path

from tools.cluster import golang
from tools.cluster.settings import Settings

SOURCES = Path(__file__).parent / "go"


def _compile(sources: golang.Sources, target: Path) -> None:
    version = f"k8s.io/component-base/version.gitVersion={sources.required('k8s.io/kubernetes')}"
    flags = f"-s -w -X {version}"
    sources.compile(".", target / "node", "Kubernetes", flags=flags, static=False)
    sources.compile("./pause", target / "pause", "the pause program")
    sources.vet()  # here as well as in `make verify`, which leaves it to the first build on a new machine


def built_before(settings: Settings) -> bool:
    """Whether Kubernetes, of these sources or of earlier ones, was compiled on this machine."""
    return any((settings.cache / "cluster").glob("*/complete"))


def build(settings: Settings) -> Path:
    """Returns the directory with the binaries `node` and `pause`, building them where this content is new.

    Raises:
        UserError: there is no suitable Go, no way to its modules, or the build failed.
    """
    sources = golang.Sources(SOURCES, golang.toolchain(settings.cache))
    directory = settings.cache / "cluster" / sources.key
    return golang.once(directory, lambda: _compile(sources, directory))


def link(settings: Settings, binaries: Path) -> None:
    """Makes a link per component, so that processes carry their names, and kubectl's for people."""
    names = ("coredns", "etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")
    links = [settings.directory / "bin" / name for name in (*names, "kubelet", "relay", "volumes")]
    for path in (*links, settings.kubectl):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(binaries / "node")
