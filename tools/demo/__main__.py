"""`python -m tools.demo up|down`: what `make demo` and `make demo-down` run once a cluster and images are there."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from tools.cluster import settings
from tools.cluster.progress import console, step, timings_table
from tools.demo import background, release
from tools.demo.release import SYSTEM, Platform
from tools.demo.scenarios import SCENARIOS
from tools.demo.story import TRAFFIC, Story, condition, field
from tools.images.build import provide

PORT_FORWARDS = "tools.demo.port_forwards"
ENGINES = {
    "Local": (),
    "Kubeflow": ("--set", "pipelines.engine=Kubeflow", "--set", "kubeflow.url=http://ml-pipeline.kubeflow.svc:8888"),
}
"""Helm options for each engine of trainings."""
SERVING = {
    "Deployment": (),
    "Seldon": ("--set", "serving.engine=Seldon", "--set", "seldon.enabled=true"),
}
"""Helm options for each engine that keeps models running."""


def _objects(platform: Platform) -> Table:
    table = Table("object", "ready", "reason", "message", title=f"kubectl -n {platform.namespace} get homeostat")
    for kind in reversed(release.GROUP_KINDS):
        for found in platform.listing(kind):
            ready = condition(found, "Ready")
            name = f"{field(found, 'kind')}/{field(found, 'metadata.name')}"
            table.add_row(name, ready.get("status", ""), ready.get("reason", ""), ready.get("message", "")[:90])
    return table


def _closing(story: Story) -> int:
    platform, counts, name = story.platform, story.ending(), story.scenario.name
    console.print(_objects(platform))
    shift, decision, promotion = (story.notes[name] for name in ("shift", "decision", "promotion"))
    console.print(f"shift → decision {(decision - shift).total_seconds():.0f} s; "
                  f"decision → promotion {(promotion - decision).total_seconds():.0f} s")  # fmt: skip
    console.print(f"{counts['sent']:,} requests, {counts['failed']} failed; {counts['outcomes']:,} outcomes posted; "
                  f"answered by version: {counts['by_version']}")  # fmt: skip
    if counts["failed"]:
        console.print("\n".join(counts["failures"]), style="red", markup=False)
    reach = f"--context {platform.context}" if platform.context else f"--kubeconfig {platform.local.kubeconfig}"
    typed = f"kubectl --context {platform.context}" if platform.context else "kubectl"
    own = f"export KUBECONFIG={platform.local.kubeconfig} PATH={platform.local.state / 'bin'}:$PATH"
    first = f"{typed} -n {name} get pods" if platform.context else own
    console.print(f"""
The console: http://{platform.address}:{settings.NODE_PORTS['console']}
Sign in with: {platform.program} {reach} -n {name} create token {name}-viewer

Five commands to try:
  {first}
  {typed} -n {name} get homeostat
  {typed} -n {name} describe monitor {name}
  {typed} -n {name} get modeldeployment {name} -o jsonpath='{{.status.gate}}'
  {typed} -n {name} get events --sort-by=.lastTimestamp

Everything stays up, with a trickle of traffic, until `make demo-down`.""", markup=False, soft_wrap=True)  # fmt: skip
    return 1 if counts["failed"] else 0


def _end_background(platform: Platform) -> None:
    for name in SCENARIOS:
        background.stop(replace(platform, namespace=name).directory, TRAFFIC)
    background.stop(_shared(platform), PORT_FORWARDS)


def _shared(platform: Platform) -> Path:
    """Where the background processes of all stories are known."""
    return platform.local.state / "demo"


def up(platform: Platform, engines: tuple[str, ...], names: Sequence[str]) -> int:
    """Installs the platform and tells the stories, one after the other; 1 if a part of one did not happen.

    Args:
        platform: Where.
        engines: Helm options that select the engines.
        names: Of SCENARIOS, each with a namespace of its own.
    """
    _end_background(platform)
    if release.installed(platform):
        with step("removing an earlier demo"):
            release.uninstall(platform, tuple(SCENARIOS))
    release.install(platform, platform.local.state / "images.yaml", engines, names)
    if platform.context:
        _shared(platform).mkdir(parents=True, exist_ok=True)
        background.start(
            _shared(platform), PORT_FORWARDS, platform.context, platform.program, environment=platform.environment
        )
    try:
        return max([run(Story(platform, SCENARIOS[name]())) for name in names])
    except BaseException:
        _end_background(platform)
        raise


def run(story: Story) -> int:
    """Runs the chapters of one story; 1 if a request failed."""
    story.features()
    story.first_model()
    story.calm()
    story.launch()
    story.decision()
    story.second_model()
    story.recovery()
    return _closing(story)


def main() -> int:
    """Runs one command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--build", action="store_true", help="first build what changed, and start the local cluster")
    parser.add_argument("--engine", choices=ENGINES, default="Local", help="engine that runs the trainings")
    parser.add_argument("--serving", choices=SERVING, default="Deployment", help="engine that serves the models")
    parser.add_argument("--stories", choices=SCENARIOS, nargs="+", default=["churn"], help="scenarios to run, in order")
    chosen = parser.parse_args()
    try:
        platform = Platform(settings.load(), os.environ.get("CONTEXT", ""))
        if chosen.command == "up":
            if chosen.build:
                provide(platform.local)
            status = up(platform, ENGINES[chosen.engine] + SERVING[chosen.serving], chosen.stories)
            console.print(timings_table())
            return status
        _end_background(platform)
        release.uninstall(platform, tuple(SCENARIOS))
        console.print(f"The story's objects, namespaces {', '.join(SCENARIOS)} and {SYSTEM}, and the kinds are gone.")
    except settings.UserError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
