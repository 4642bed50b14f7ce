"""The story's chapters: each does something, waits until the cluster shows the effect, and tells it with the time."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from minio import Minio

from tools.cluster.progress import console, step
from tools.cluster.settings import NODE_PORTS, REPOSITORY, UserError
from tools.demo import background
from tools.demo.release import Platform, diagnose
from tools.demo.scenario import Scenario
from tools.demo.traffic import Plan, write_json
from tools.waiting import until

SAMPLES = REPOSITORY / "manifests" / "samples"
TRAFFIC = "tools.demo.traffic"
RATE = 50.0
TRICKLE = 3.0
PATIENCE = 900.0

Object = dict[str, Any]


def field(thing: Object | None, path: str) -> Any:
    """The value at a dotted path, None where there is none."""
    value: Any = thing
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def condition(thing: Object | None, kind: str) -> Object:
    """A condition of an object; empty where there is none."""
    return next((c for c in field(thing, "status.conditions") or [] if c["type"] == kind), {})


def moment(text: str) -> datetime:
    """A metav1.Time."""
    return datetime.fromisoformat(text)


UNTOLD = {"calibrationError", "skill"}
"""Metrics of a training that its line leaves out: four are enough to read."""


class Story:
    """The state of a telling: the platform, the scenario, the traffic's process, and what was noted."""

    def __init__(self, platform: Platform, scenario: Scenario) -> None:
        self.platform = replace(platform, namespace=scenario.name)
        self.scenario = scenario
        self.directory = self.platform.directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.began = time.monotonic()
        self.notes: dict[str, datetime] = {}

    # --- reporting ---------------------------------------------------------------------------------------------

    def report(self, text: str) -> None:
        """One line of the story with the time since its beginning."""
        minutes, seconds = divmod(int(time.monotonic() - self.began), 60)
        console.print(f"[bold]{minutes:2d}:{seconds:02d}[/bold]  {text}")

    def note(self, name: str, when: str | None = None) -> None:
        """Remembers when something happened, by the cluster's own record where it has one."""
        self.notes[name] = moment(when) if when else datetime.now(UTC)

    def wait(
        self, label: str, kind: str, name: str, done: Callable[[Object], bool], show: Callable[[Object], str],
        fail: Callable[[Object], str | None] = lambda _: None, patience: float = PATIENCE,
    ) -> Object:  # fmt: skip
        """Waits until an object is as the story needs it.

        Raises:
            UserError: it took longer than `patience` seconds or `fail` gave a reason; the message has the diagnostics.
        """
        with step(label) as shown:

            def ended(found: Object | None) -> bool:
                if found is None:
                    return False
                shown.detail = show(found)
                if not done(found) and (reason := fail(found)):
                    raise UserError(f"{label}: {reason}\n{diagnose(self.platform, self.platform.namespace)}")
                return done(found)

            found = until(
                label, lambda: self.platform.get(kind, name), ended, patience,
                every=0.5, diagnose=lambda: diagnose(self.platform, self.platform.namespace), error=UserError,
            )  # fmt: skip
        return found or {}

    # --- chapters ----------------------------------------------------------------------------------------------

    def _store(self, files: dict[str, bytes]) -> None:
        secret = self.platform.secret("homeostat-platform")
        with self.platform.forward("homeostat-s3", 8333) as address:
            client = Minio(
                endpoint=address,
                access_key=secret["HOMEOSTAT_S3_ACCESS_KEY"],
                secret_key=secret["HOMEOSTAT_S3_SECRET_KEY"],
                secure=False,
            )
            bucket = secret["HOMEOSTAT_S3_BUCKET"]
            if not client.bucket_exists(bucket_name=bucket):
                client.make_bucket(bucket_name=bucket)
            for uri, content in files.items():
                local = self.directory / "upload.parquet"
                local.write_bytes(content)
                client.fput_object(
                    bucket_name=bucket, object_name=uri.removeprefix(f"s3://{bucket}/"), file_path=str(local)
                )
                local.unlink()

    def features(self) -> None:
        """The first rows into the object store, the samples applied, the first snapshot materialised."""
        now, scenario = datetime.now(UTC), self.scenario
        self._store(
            {
                f"{scenario.source}old.parquet": scenario.features(scenario.old, now - timedelta(hours=2)),
                f"{scenario.label_files}old.parquet": scenario.labels(scenario.old, now),
            }
        )
        self.report(scenario.opening)
        self.platform.kubectl("-n", scenario.name, "apply", "-f", str(SAMPLES / scenario.name))
        self.report(f"applied manifests/samples/{scenario.name}/*.yaml")
        found = self.wait(
            "features: first snapshot materialised", "featureset", scenario.feature_set,
            lambda f: condition(f, "Ready").get("status") == "True" and bool(field(f, "status.snapshot")),
            lambda f: condition(f, "Ready").get("message", "")[:100],
            lambda f: condition(f, "Stalled").get("message") if condition(f, "Stalled").get("status") == "True" else None,
        )  # fmt: skip
        snapshot = field(found, "status.snapshot")
        self.report(f"features materialised: version {snapshot['version']}, {snapshot['rows']:,} rows")

    def _trained(self, name: str, label: str) -> Object:
        found = self.wait(
            label, "trainingjob", name,
            lambda t: condition(t, "Succeeded").get("status") == "True",
            lambda t: field(t, "status.progress.summary") or condition(t, "Succeeded").get("message", "")[:100],
            lambda t: condition(t, "Stalled").get("message") if condition(t, "Stalled").get("status") == "True" else None,
        )  # fmt: skip
        metrics = {m["name"]: float(m["value"]) for m in field(found, "status.metrics") or []}
        figures = ", ".join(f"{name} {value:.3f}" for name, value in sorted(metrics.items()) if name not in UNTOLD)
        dataset = field(found, "status.dataset")
        self.report(
            f"{name} trained on {dataset['rows']:,} {self.scenario.rows} as version {field(found, 'status.model.version')}; "
            f"on {dataset['holdoutRows']:,} untouched ones: {figures}"
        )
        return found

    def first_model(self) -> None:
        """v1 trained, gated by `minimum` alone, serving."""
        self._trained(f"{self.scenario.name}-first", "training v1")
        found = self.wait(
            "gate and rollout of v1", "modeldeployment", self.scenario.name,
            lambda m: field(m, "status.stable.version") is not None and condition(m, "Ready").get("status") == "True",
            lambda m: condition(m, "Ready").get("message", "")[:100],
            lambda m: next((h["message"] for h in field(m, "status.history") or [] if h["outcome"] == "Rejected"), None),
        )  # fmt: skip
        for sentence in field(found, "status.gate.messages") or []:
            console.print(f"         gate: {sentence}", markup=False)
        self.url = field(found, "status.url")
        self._start_traffic()
        counts = self._await_counts("first prediction", lambda c: c["answered"] > 0)
        self.report(f"serving at {self.url}; latest prediction: {self.scenario.answer(counts['last_outputs'])}")
        self.note("first prediction")

    def calm(self) -> None:
        """The Monitor has judged a window of ordinary traffic."""
        drift = self.scenario.signals[0]
        found = self.wait(
            "ordinary traffic: the Monitor evaluates its first window", "monitor", self.scenario.name,
            lambda m: self._signal(m, drift).get("state") == "WithinBounds",
            lambda m: self._signal(m, drift).get("message", "")[:100],
        )  # fmt: skip
        self.report(f"calm: {self._signal(found, drift).get('message')}")

    def _introduce(self, name: str, newcomers: pd.DataFrame) -> None:
        """Writes the features of new rows and waits until they are materialised: before that nobody may ask about them."""
        scenario, feature_set = self.scenario, self.scenario.feature_set
        rows_before = field(self.platform.get("featureset", feature_set), "status.snapshot.rows")
        self._store({f"{scenario.source}{name}.parquet": scenario.features(newcomers, datetime.now(UTC))})
        written = datetime.now(UTC)
        self.platform.kubectl(
            "-n", scenario.name, "annotate", "--overwrite", "featureset", feature_set,
            f"homeostat.dev/materialize={name}-{int(time.time())}",
        )  # fmt: skip
        self.wait(
            f"features of {len(newcomers):,} new {scenario.rows} materialised", "featureset", feature_set,
            lambda f: moment(field(f, "status.lastMaterialization.through") or "1970-01-01T00:00:00Z") > written
            and field(f, "status.snapshot.rows") >= rows_before + len(newcomers),
            lambda f: condition(f, "Ready").get("message", "")[:100],
        )  # fmt: skip

    def launch(self) -> None:
        """The newcomers: written and materialised before their first request."""
        scenario = self.scenario
        self._introduce(scenario.arrival, scenario.early)
        self._steer(shares={"old": 1 - scenario.share, scenario.arrival: scenario.share})
        self.note("shift")
        self.report(f"[yellow]{scenario.change}[/yellow]: {scenario.share:.0%} of the requests now come from "
                  f"{len(scenario.early):,} {scenario.newcomers}")  # fmt: skip

    def decision(self) -> None:
        """Drift seen, its cause found, labels awaited, a retraining admitted."""
        decisions: dict[str, str] = {}

        def follow(monitor: Object) -> str:
            decided = field(monitor, "status.lastDecision") or {}
            key = f"{decided.get('cause')}/{decided.get('reason')}"
            if decided and key not in decisions and decided.get("cause") != "None":
                decisions[key] = decided["time"]
                console.print(f"         {decided['cause']} → {decided['action']} ({decided['reason']}): "
                              f"{decided['message']}", markup=False)  # fmt: skip
            labels = field(monitor, "status.labels") or {}
            waiting = f"; labels {labels.get('available', 0)}/{labels.get('required', 0)}" if labels else ""
            return f"breached: {field(monitor, 'status.breached') or 'nothing yet'}{waiting}"

        found = self.wait(
            "the Monitor diagnoses the breach",
            "monitor",
            self.scenario.name,
            lambda m: bool(field(m, "status.lastDecision.trainingJob")),
            follow,
        )
        causes = {key.split("/")[0] for key in decisions}
        for cause in self.scenario.causes:
            if cause not in causes:
                raise UserError(
                    f"the Monitor never decided on {cause}; its decisions were {', '.join(decisions) or 'nothing'}"
                )
        decided = field(found, "status.lastDecision")
        self.retraining = decided["trainingJob"]
        self.note("decision", decided["time"])
        self.report(f"the Monitor created TrainingJob {self.retraining}: {decided['message']}")

    def second_model(self) -> None:
        """v2 trained, compared with v1 on the same untouched customers, canary, promoted."""
        trained = self._trained(self.retraining, "training v2")
        version = field(trained, "status.model.version")

        def progress(deployment: Object) -> str:
            weight = field(deployment, "status.candidate.weight")
            return (
                f"candidate at {weight} %" if weight else condition(deployment, "Reconciling").get("message", "")[:100]
            )

        def lost(deployment: Object) -> str | None:
            ended = [h for h in field(deployment, "status.history") or [] if h["version"] == version]
            return next((h["message"] for h in ended if h["outcome"] != "Promoted"), None)

        found = self.wait(
            "gate, canary and promotion of v2", "modeldeployment", self.scenario.name,
            lambda m: field(m, "status.stable.version") == version, progress, lost,
        )  # fmt: skip
        for row in field(found, "status.gate.metrics") or []:
            console.print(
                f"         gate: {row['name']}: v2 {row['challenger']} against {row.get('champion')}, "
                f"better by {row.get('difference')} [{row.get('lower')}, {row.get('upper')}]", markup=False,
            )  # fmt: skip
        self.note("promotion", field(found, "status.stable.since"))
        self.report(f"[green]v{version} promoted[/green]; it serves all requests")

    def recovery(self) -> None:
        """Signals are back within bounds, against the new baseline; the unseen newcomers come too."""
        promoted = self.notes["promotion"]

        def calm(monitor: Object, name: str) -> bool:
            signal_ = self._signal(monitor, name)
            through = signal_.get("judgedThrough")
            return signal_.get("state") == "WithinBounds" and through is not None and moment(through) > promoted

        found = self.wait(
            "signals back within bounds", "monitor", self.scenario.name,
            lambda m: all(calm(m, name) for name in self.scenario.signals),
            lambda m: "; ".join(s.get("message", "")[:70] for s in field(m, "status.signals") or []),
        )  # fmt: skip
        for signal_ in field(found, "status.signals") or []:
            self.report(f"{signal_['name']}: {signal_['state']}, {signal_.get('message')}")
        late = self.scenario.late
        self._introduce("late", late)
        self._steer(groups={"late": self.scenario.entities(late)})

    # --- traffic -----------------------------------------------------------------------------------------------

    def _signal(self, monitor: Object, name: str) -> Object:
        return next((s for s in field(monitor, "status.signals") or [] if s["name"] == name), {})

    def _start_traffic(self) -> None:
        scenario, token = self.scenario, self.directory / "outcomes.token"
        token.touch(mode=0o600)
        token.write_text(self.platform.token(f"{scenario.name}-outcomes"))
        groups = {"old": scenario.entities(scenario.old), scenario.arrival: scenario.entities(scenario.early)}
        plan = Plan(
            url=self.url, model=scenario.name, namespace=scenario.name, entity=scenario.entity, token_file=str(token), rate=RATE,
            observer=f"http://{self.platform.address}:{NODE_PORTS['observer']}",
            groups=groups, shares={"old": 1.0}, outcomes=scenario.outcomes(),
        )  # fmt: skip
        write_json(self.directory / "traffic.json", asdict(plan))
        (self.directory / "counts.json").unlink(missing_ok=True)
        self._traffic = background.start(self.directory, TRAFFIC, str(self.directory))

    def _steer(self, groups: dict[str, list[str]] | None = None, **changes: Any) -> None:
        path = self.directory / "traffic.json"
        plan = json.loads(path.read_text())
        plan["groups"].update(groups or {})
        write_json(path, {**plan, **changes})

    def counts(self) -> Object:
        """What the traffic's process last reported."""
        path = self.directory / "counts.json"
        if self._traffic.poll() is not None:
            raise UserError(f"the traffic's process ended: {(self.directory / 'traffic.log').read_text()[-2000:]}")
        return dict(json.loads(path.read_text())) if path.exists() else {"answered": 0, "failed": 0, "sent": 0}

    def _await_counts(self, label: str, done: Callable[[Object], bool]) -> Object:
        with step(label) as shown:

            def read() -> Object:
                counts = self.counts()
                shown.detail = f"{counts['sent']} sent, {counts['failed']} failed"
                return counts

            return until(label, read, done, every=0.2, error=UserError)

    def ending(self) -> Object:
        """The traffic slows to a trickle; the late newcomers are among it now."""
        counts, scenario = self.counts(), self.scenario
        self._steer(
            rate=TRICKLE,
            shares={"old": 1 - scenario.share, scenario.arrival: scenario.share / 2, "late": scenario.share / 2},
        )
        return counts
