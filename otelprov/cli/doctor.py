"""``otelprov doctor``: is everything recorded that should be, and where does it go?"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import click

from otelprov._record import record
from otelprov.redaction import redact

if TYPE_CHECKING:
    from otelprov.settings import Settings

State = Literal["ok", "note", "problem"]
_VARIABLES = (
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    "OTEL_SERVICE_NAME",
)
_MARKS = {"ok": "ok", "note": "--", "problem": "!!"}
_COLOURS = {"ok": "green", "note": None, "problem": "red"}


@record
class Finding:
    """One thing that was looked at."""

    topic: str
    state: State
    text: str


@dataclass(slots=True)
class Report:
    """Everything that was found."""

    findings: list[Finding] = field(default_factory=list)
    libraries: list[dict[str, Any]] = field(default_factory=list)
    journal: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    collector: dict[str, Any] | None = None
    delivery: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)

    def add(self, topic: str, state: State, text: str) -> None:
        self.findings.append(Finding(topic, state, text))

    @property
    def fine(self) -> bool:
        """Whether nothing stops the recording."""
        return all(finding.state != "problem" for finding in self.findings)


@click.command(short_help="Say what is recorded, what is not and why.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.option(
    "--libraries",
    "in_full",
    is_flag=True,
    help="Name the operations that are recorded of each installed library, and what to know of it.",
)
def doctor(form: str, in_full: bool) -> int:
    """Say what is recorded, what is not and why, and whether it arrives.

    Looks at the instrumented libraries, the journal, the settings, the OTEL_* variables that
    matter, the Collector and what waits for it (when an exporter is chosen) and git in the
    current directory.

    \b
      otelprov doctor
      otelprov doctor --libraries
      OTEL_TRACES_EXPORTER=otlp otelprov doctor --format json

    Exit codes: 0 all is fine; 1 something stops recording or delivery (marked !!).
    """
    report = Report()
    _look_at_libraries(report, in_full)
    _look_at_settings(report)
    _look_at_journal(report)
    _look_at_environment(report)
    _look_at_delivery(report)
    _look_at_metrics(report)
    _look_at_git(report)
    if in_full:
        report.findings = [one for one in report.findings if one.topic == "libraries"]
    if form == "json":
        from otelprov.render.json import dump

        click.echo(dump({"fine": report.fine, **asdict(report)}).encode(), nl=False)
    else:
        _print(report)
    return 0 if report.fine else 1


def _print(report: Report) -> None:
    from otelprov.render.words import clean

    topic = ""
    colour = None if not os.environ.get("NO_COLOR") else False
    for finding in report.findings:
        if finding.topic != topic:
            topic = finding.topic
            click.secho(topic, bold=True, color=colour)
        mark = click.style(_MARKS[finding.state], fg=_COLOURS[finding.state])
        click.echo(f"  {mark}  {clean(finding.text)}", color=colour)


def _look_at_libraries(report: Report, in_full: bool) -> None:
    from importlib.metadata import entry_points

    from otelprov import settings
    from otelprov.cli import captured

    found = [
        one
        for one in sorted(entry_points(group="opentelemetry_instrumentor"), key=lambda e: e.name)
        if one.name == "otelprov" or one.name.startswith("otelprov_")
    ]
    if not found:
        report.add(
            "libraries",
            "problem",
            "no instrumentation is installed; install otelprov in this environment",
        )
    for entry in found:
        try:
            described = entry.load().describe()
        except Exception as error:  # whatever an instrumentation does: that is the finding
            reason = f"{type(error).__name__}: {error}"
            name = entry.name.removeprefix("otelprov_")
            report.libraries.append(
                {"entry_point": entry.name, "library": name, "installed": None, "supported": "",
                 "active": False, "reason": reason}
            )  # fmt: skip
            report.add("libraries", "problem", f"{name}: cannot be loaded ({reason})")
            continue
        for description in described if isinstance(described, list) else [described]:
            _look_at_library(report, entry.name, description, in_full)
    for text in dict.fromkeys(captured.faults_elsewhere(settings.load().journal)):
        report.add("libraries", "note", f"in one of the last runs: {text}")


def _look_at_library(
    report: Report, entry_point: str, description: Any, in_full: bool = False
) -> None:
    """``description`` is what an instrumentor says of one library."""
    from otelprov import settings
    from otelprov.cli import captured

    record: dict[str, Any] = {"entry_point": entry_point}
    for key in ("library", "installed", "supported", "active", "reason"):
        record[key] = getattr(description, key)
    report.libraries.append(record)
    if not {entry_point, getattr(description, "switch", "")}.isdisjoint(_disabled()):
        record.update(active=False, reason="switched off by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    version = f" {record['installed']}" if record["installed"] else ""
    # A library that is not there needs no recording.
    state: State = "ok" if record["active"] else "problem" if record["installed"] else "note"
    name = record["library"]
    text = f"{name}{version}: {record['reason']}"
    if not record["active"] and record["supported"]:
        text += f" (supported: {record['supported']})"
    elif record["active"] and captured.in_short(name):
        text += f" ({captured.in_short(name)})"
    report.add("libraries", state, text)
    loaded = settings.load()
    known = captured.captured().get(name)
    if known is not None:
        record["from"], record["number"] = known.first, known.number
    record["excluded"] = [
        rule.text
        for rule in loaded.rules
        if rule.exclude and rule.text and _is_about(rule, name, known)
    ]
    record["left_out"] = [*dict.fromkeys(captured.left_out(name, loaded.journal))]
    for rule in record["excluded"]:
        report.add("libraries", "note", f"{name}: in part switched off by the policy: {rule}")
    for what in record["left_out"]:
        report.add("libraries", "note", f"{name}: in one of the last runs: {what}")
    if in_full and record["installed"] and known is not None:
        record.update(words=known.words, operations=known.operations, oddities=list(known.oddities))
        for line in captured.in_full(name):
            report.add("libraries", "note", line)


def _is_about(rule: Any, name: str, known: Any) -> bool:
    """Whether a rule leaves operations of a library out."""
    if known is None:
        return False
    operations = [one for names in known.operations.values() for one in names]
    every = [f"{name}.{one}" for one in operations] or [f"{name}.x"]
    return rule.operation is None or any(rule.operation.match(one) for one in every)


def _disabled() -> frozenset[str]:
    text = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    names = frozenset(name.strip() for name in text.split(",")) - {""}
    if "*" in names:
        from importlib.metadata import entry_points

        return frozenset(entry_points(group="opentelemetry_instrumentor").names)
    return names


def _look_at_settings(report: Report) -> None:
    from otelprov import settings

    loaded = settings.load()
    for setting in settings.SETTINGS:
        value = redact(os.environ.get(setting.name, "").strip())
        report.settings[setting.name] = value or None
        text = value if value else f"not set: {setting.default}"
        from_file = settings.origin(setting.name, loaded)
        if from_file is not None:
            report.settings[setting.name] = redact(from_file)
            text = f"{redact(from_file)} (from {loaded.policy})"
        bad = any(problem.startswith(f"{setting.name} ") for problem in loaded.problems)
        if not bad:
            report.add("settings", "ok", f"{setting.name}  {text}")
    for problem in loaded.problems:
        report.add("settings", "problem", f"{problem}; the default is used")
    _look_at_policy(report, loaded)


def _look_at_policy(report: Report, loaded: Settings) -> None:
    report.policy.update(
        file=loaded.policy and str(loaded.policy),
        rules=[rule.text for rule in loaded.rules],
        hash_key=loaded.hash_key is not None,
        problems=list(loaded.policy_problems),
    )
    if loaded.policy is None:
        report.add("policy", "ok", "no file: the safe defaults alone (see policy.md)")
        return
    key = ", with a key for hashes" if loaded.hash_key is not None else ""
    report.add("policy", "ok", f"{loaded.policy}: {len(loaded.rules)} rules{key}")
    for rule in loaded.rules:
        report.add("policy", "ok", rule.text)
    for problem in loaded.policy_problems:
        report.add("policy", "problem", f"{problem}; the rest applies")


def _look_at_journal(report: Report) -> None:
    from otelprov import settings

    directory = settings.load().journal
    report.journal["directory"] = directory and str(directory)
    if directory is None:
        exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
        kept = exporter not in ("", "none")
        report.add(
            "journal",
            "note" if kept else "problem",
            "off (OTELPROV_JOURNAL=off)" + ("" if kept else ", and no exporter: nothing is kept"),
        )
        return
    writable = _writable(directory)
    report.journal["writable"] = writable
    if not writable:
        report.add(
            "journal",
            "problem",
            f"{directory}: cannot be written; name another directory with OTELPROV_JOURNAL",
        )
    if not directory.is_dir():
        if writable:
            report.add("journal", "ok", f"{directory}: does not exist yet, will be made")
        return
    _look_into_journal(report, directory)


def _look_into_journal(report: Report, directory: Path) -> None:
    from otelprov import settings
    from otelprov.cli import cut
    from otelprov.journal.index import JournalIndex
    from otelprov.journal.retention import pruned
    from otelprov.journal.segment import is_open
    from otelprov.render.words import moment, size

    try:
        index = JournalIndex(directory)
        totals, damaged, lost = index.totals(), index.damage(), index.lost()
        cuts = index.cut()
    except OSError as error:
        report.add("journal", "problem", f"{directory}: {error.strerror or error}")
        return
    being_written = 0
    for path in directory.glob("*.jsonl"):
        with suppress(OSError):
            being_written += is_open(path) is True
    limit, gone = settings.load().journal_limit, pruned(directory)
    report.journal.update(
        asdict(totals),
        open=being_written,
        limit=limit,
        pruned={
            "segments": gone.segments,
            "bytes": gone.bytes,
            "spans": gone.spans,
            "undelivered": gone.undelivered,
            "start": gone.start,
            "end": gone.end,
            "complete": gone.complete,
        },
        damaged=[str(one) for one in damaged],
        cut=[asdict(one) for one in cuts],
    )
    bound = f" of {size(limit)}" if limit is not None else ", without a limit"
    oldest = f", from {moment(totals.oldest)} UTC on" if totals.oldest else ""
    report.add(
        "journal",
        "ok",
        f"{directory}: {totals.files:,} segments ({being_written} being written), "
        f"{size(totals.bytes)}{bound}, {totals.spans:,} spans{oldest}",
    )
    if gone.spans or not gone.complete:
        known = "" if gone.complete else "at least "
        report.add(
            "journal",
            "note",
            f"deleted to keep within the limit: {known}{gone.spans:,} spans in {gone.segments:,} "
            f"segments, {size(gone.bytes)}; {gone.undelivered:,} of them were delivered nowhere "
            "that is known here",
        )
    if totals.lost_lines:
        reasons = ", ".join(sorted({one.reason for one in lost}))
        report.add(
            "journal",
            "note",
            f"lost: {totals.lost_lines:,} lines, {size(totals.lost_bytes)} ({reasons})",
        )
    for text in cut.look(cuts):
        report.add("journal", "note", text)
    for one in damaged[:10]:
        report.add("journal", "note", f"damaged: {one}")
    if len(damaged) > 10:
        report.add("journal", "note", f"damaged: {len(damaged) - 10} lines more")


def _writable(directory: Path) -> bool:
    """Whether the recording could write there; tried, because access bits do not tell of /proc."""
    made = []
    try:
        for path in (*reversed(directory.parents), directory):
            if not path.exists():
                path.mkdir(mode=0o700)
                made.append(path)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False
    finally:
        for path in reversed(made):
            path.rmdir()


def _look_at_environment(report: Report) -> None:
    values = {name: os.environ[name] for name in _VARIABLES if os.environ.get(name)}
    report.environment.update({name: _without_user(value) for name, value in values.items()})
    for name, value in report.environment.items():
        report.add("OpenTelemetry", "ok", f"{name}  {value}")
    if values.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        report.add("OpenTelemetry", "problem", "OTEL_SDK_DISABLED: nothing at all is recorded")
    _look_at_sampler(report, values)
    exporters = [name.strip() for name in values.get("OTEL_TRACES_EXPORTER", "").split(",")]
    if exporters == [""]:
        report.add(
            "OpenTelemetry",
            "note",
            "OTEL_TRACES_EXPORTER is not set: 'otelprov run' sends nothing (journal only), "
            "opentelemetry-instrument does what its distribution does",
        )
    otlp = [name for name in exporters if name.startswith("otlp")]
    if otlp:
        _look_at_collector(report, otlp[0])


def _look_at_delivery(report: Report) -> None:
    from otelprov import settings
    from otelprov.cli import delivery

    for signal in delivery.chosen():
        figures: dict[str, Any] = {}
        for state, text in delivery.look(settings.load().journal, signal, figures):
            report.add("delivery", state, text)
        report.delivery.append(figures)


def _look_at_metrics(report: Report) -> None:
    from otelprov.cli import measured

    for state, text in measured.look(report.metrics):
        report.add("metrics", state, text)


def _look_at_sampler(report: Report, values: dict[str, str]) -> None:
    sampler = values.get("OTEL_TRACES_SAMPLER", "")
    if not sampler:
        return
    ratio = 0.0 if sampler.endswith("always_off") else 1.0
    if sampler.endswith("traceidratio"):
        try:
            ratio = float(values.get("OTEL_TRACES_SAMPLER_ARG", "1"))
        except ValueError:
            ratio = 1.0
    share = "all" if ratio >= 1 else "none" if ratio <= 0 else f"{ratio:.0%}"
    report.add(
        "OpenTelemetry",
        "ok" if ratio >= 1 else "note",
        f"sampler {sampler}: exporters get {share} of the traces; the journal keeps every run and "
        "operation",
    )


def _look_at_collector(report: Report, exporter: str) -> None:
    import socket

    environ = os.environ
    protocol = (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "grpc"
    )
    over_http = "http" in exporter or ("grpc" not in exporter and protocol.startswith("http"))
    default = 4318 if over_http else 4317
    endpoint = (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        or f"http://localhost:{default}"
    )
    shown = _without_user(endpoint)
    parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    reason = None
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80 if over_http else default)
        socket.create_connection((parts.hostname or "localhost", port), timeout=1).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    report.collector = {"endpoint": shown, "answers": reason is None, "reason": reason}
    if reason is None:
        report.add("OpenTelemetry", "ok", f"the Collector at {shown} answers")
    else:
        report.add(
            "OpenTelemetry",
            "problem",
            f"the Collector at {shown} does not answer: {reason}",
        )


def _without_user(text: str) -> str:
    """An address without user and password, and any text without secrets."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return redact(text)
    host, slash, path = rest.partition("/")
    return redact(f"{scheme}://{host.rpartition('@')[2]}{slash}{path}")


def _look_at_git(report: Report) -> None:
    import shutil
    import subprocess

    if os.environ.get("OTELPROV_CODE_REVISION"):
        report.add("code version", "ok", "given by OTELPROV_CODE_REVISION")
        return
    if shutil.which("git") is None:
        report.add("code version", "note", "there is no git: the code's version is not known")
        return
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        report.add("code version", "note", f"git does not answer: {error}")
        return
    if answer.returncode == 0:
        report.add("code version", "ok", f"git, at {answer.stdout.strip()} in this directory")
    else:
        reason = answer.stderr.strip().splitlines() or ["git says no more"]
        report.add("code version", "note", f"no revision in this directory: {reason[-1]}")
