"""`python -m tools.testing`: test suites with one table of their times and one closing line.

Without options: everything that `make test` runs. What needs a cluster waits most of the time (for windows of traffic,
for pods), and what needs none computes, so the two run side by side; see `everything`.
"""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tools.cluster import down, preflight, settings, up
from tools.cluster.progress import console, timed, timings
from tools.cluster.settings import Settings, UserError
from tools.images.build import ready
from tools.testing.backends import BACKENDS, demo, other_tasks, run_story, with_backend
from tools.testing.suites import BUILD, Result, closing, existing, failing, run, show, table

PACKAGE_TESTS = "tests/package"
PIPELINES_TESTS = ("tests/unit/pipelines", "tests/contract/feast", "tests/upgrade/pipelines")
LOCAL_TESTS = ("tests/unit", "tests/golden", "tests/upgrade")
EARLY_CONTRACTS = tuple(f"tests/contract/{part}" for part in ("crds", "router", "observer", "serving"))
ON_THE_STORY = ("tests/e2e", "tests/contract/operators", "tests/contract/engines")
"""In this order: the adapters' contracts need the release that the story leaves, up to the end of the run."""
FAILURES = (UserError, TimeoutError, subprocess.CalledProcessError)
"""Ways in which cluster, images, backends and story fail."""
BACKGROUND_NICE = 5
"""A third of the usual weight: the cluster's requests and probes come first, yet no unit test with a deadline starves."""


def local(results: list[Result], *, background: bool = False) -> None:
    """What needs no cluster: unit, golden, upgrade and in-memory fault tests, the pipelines' tests, the package.

    Args:
        results: Receives what was counted.
        background: Keep the output in ``build/<suite>.log``, give way to others, and print it at the end.
    """
    unit = [*existing(*LOCAL_TESTS), *(f"--ignore={path}" for path in PIPELINES_TESTS)]
    for name, environment, paths in (
        ("unit", "platform", unit),
        ("pipelines", "pipelines", existing(*PIPELINES_TESTS)),
        ("package", "platform", existing(PACKAGE_TESTS)),
    ):
        if background:
            log = BUILD / f"{name}.log"
            results.append(run(name, environment, paths, log=log, nice=BACKGROUND_NICE))
        else:
            console.rule(name)
            results.append(run(name, environment, paths))


def everything(results: list[Result], cluster: Settings, *, keep: bool) -> None:
    """Every suite of `make test`.

    The cluster comes first, alone: on a new machine Kubernetes is compiled and images are built then, on all cores. After
    that the local suites run in the background, because contracts and story mostly wait. Either side runs to its end
    when the other one fails, and their output is not interleaved.

    Args:
        results: Receives what was counted.
        cluster: The cluster to bring up; it must not run yet.
        keep: Leave it up, for the next target.

    Raises:
        UserError: a cluster runs already, or none can be brought up.
    """
    if up.running(cluster):
        raise UserError(
            "A cluster of this checkout is up, perhaps with a demo on it; end it with `make demo-down` first."
        )
    beside: list[Result] = []
    try:
        with ThreadPoolExecutor(1) as background:  # its end waits for the local suites
            try:
                preflight.packages({"chromium": ("chromium", "the browser for the console's test")})
                with timed("cluster and images"):
                    ready(cluster)
            except FAILURES:  # what needs no cluster is counted without one, too
                background.submit(local, beside, background=True)
                raise
            locals_done = background.submit(local, beside, background=True)
            on_cluster(results, cluster)
            locals_done.result()
    finally:
        results += beside
        for each in beside:
            show(each, BUILD / f"{each.name}.log")
        if not keep:
            take_down(cluster)


def on_cluster(results: list[Result], cluster: Settings) -> None:
    """Contract tests, then the story, and what its platform is tested for.

    Raises:
        UserError: the story did not reach its end.
    """
    console.rule("contract")
    variables = {"KUBECONFIG": str(cluster.kubeconfig)}
    results.append(run("contract", "platform", existing(*EARLY_CONTRACTS), variables=variables))
    console.rule("e2e")
    variables = run_story(cluster, "e2e")
    results.append(run("e2e", "platform", existing(*ON_THE_STORY), variables=variables))


def take_down(cluster: Settings) -> None:
    """Removes the demo, whose traffic is a process of this machine, and the cluster."""
    if up.running(cluster):
        demo("down")
    down.down(cluster)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="testing", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--unit", action="store_true", help="only what needs no cluster")
    which.add_argument("--paths", nargs="+", help="only these tests, which need no cluster")
    which.add_argument(
        "--backend",
        choices=BACKENDS,
        help="run the scenario, contract and fault tests with this backend on the running cluster",
    )
    which.add_argument(
        "--tasks", action="store_true", help="run the scenarios of a number and of a class on the running cluster"
    )
    parser.add_argument("--keep-cluster", action="store_true", help="leave the cluster up at the end")
    return parser.parse_args()


def main() -> int:
    """Runs the tests; 1 if any failed."""
    chosen = _parsed()
    BUILD.mkdir(exist_ok=True)
    results: list[Result] = []
    broken: list[str] = []
    try:
        if chosen.backend:
            results.append(with_backend(settings.load(), chosen.backend))
        elif chosen.tasks:
            results.append(other_tasks(settings.load()))
        elif chosen.paths:
            results.append(run("selected", "platform", chosen.paths))
        elif chosen.unit:
            local(results)
        else:
            everything(results, settings.load(), keep=chosen.keep_cluster)
    except FAILURES as error:
        console.print(str(error), style="red", markup=False)
        broken.append("cluster")
    console.print(table(results, timings()))
    broken += failing(results)
    if broken:
        print(f"failed: {', '.join(broken)}")
    print(closing(results))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
