"""`python -m tools.demo up|down`: what `make demo` and `make demo-down` run once a cluster and images are there."""

import argparse
import os
import sys

from rich.table import Table

from tools.cluster import settings
from tools.cluster.progress import console, step, timings_table
from tools.demo import background, release
from tools.demo.release import NAMESPACE, SYSTEM, Platform
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
    table = Table("object", "ready", "reason", "message", title=f"kubectl -n {NAMESPACE} get homeostat")
    for kind in reversed(release.GROUP_KINDS):
        for found in platform.listing(kind):
            ready = condition(found, "Ready")
            name = f"{field(found, 'kind')}/{field(found, 'metadata.name')}"
            table.add_row(name, ready.get("status", ""), ready.get("reason", ""), ready.get("message", "")[:90])
    return table


def _closing(story: Story) -> int:
    platform, counts = story.platform, story.ending()
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
    first = f"{typed} -n {NAMESPACE} get pods" if platform.context else own
    console.print(f"""
The console: http://{platform.address}:{settings.NODE_PORTS['console']}
Sign in with: {platform.program} {reach} -n {NAMESPACE} create token churn-viewer

Five commands to try:
  {first}
  {typed} -n {NAMESPACE} get homeostat
  {typed} -n {NAMESPACE} describe monitor churn
  {typed} -n {NAMESPACE} get modeldeployment churn -o jsonpath='{{.status.gate}}'
  {typed} -n {NAMESPACE} get events --sort-by=.lastTimestamp

Everything stays up, with a trickle of traffic, until `make demo-down`.""", markup=False, soft_wrap=True)  # fmt: skip
    return 1 if counts["failed"] else 0


def _end_background(platform: Platform) -> None:
    for module in (TRAFFIC, PORT_FORWARDS):
        background.stop(platform.local.state / "demo", module)


def up(platform: Platform, engines: tuple[str, ...]) -> int:
    """Installs the platform and tells the story; 1 if a part of it did not happen.

    Args:
        platform: Where.
        engines: Helm options that select the engines.
    """
    _end_background(platform)
    if release.installed(platform):
        with step("removing an earlier demo"):
            release.uninstall(platform)
    release.install(platform, platform.local.state / "images.yaml", engines)
    story = Story(platform)
    if platform.context:
        background.start(
            story.directory, PORT_FORWARDS, platform.context, platform.program, environment=platform.environment
        )
    try:
        story.features()
        story.first_model()
        story.calm()
        story.launch()
        story.decision()
        story.second_model()
        story.recovery()
        return _closing(story)
    except BaseException:
        _end_background(platform)
        raise


def main() -> int:
    """Runs one command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--build", action="store_true", help="first build what changed, and start the local cluster")
    parser.add_argument("--engine", choices=ENGINES, default="Local", help="engine that runs the trainings")
    parser.add_argument("--serving", choices=SERVING, default="Deployment", help="engine that serves the models")
    chosen = parser.parse_args()
    try:
        platform = Platform(settings.load(), os.environ.get("CONTEXT", ""))
        if chosen.command == "up":
            if chosen.build:
                provide(platform.local)
            status = up(platform, ENGINES[chosen.engine] + SERVING[chosen.serving])
            console.print(timings_table())
            return status
        _end_background(platform)
        release.uninstall(platform)
        console.print(f"The story's objects, namespaces {NAMESPACE} and {SYSTEM}, and the kinds are gone.")
    except settings.UserError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
