"""``otelprov show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from otelprov.cli.common import opened, source_option, warn

if TYPE_CHECKING:
    from otelprov.lineage.sources import Source
    from otelprov.model import Artifact, Code, Operation, Run, Usage

Fields = list[tuple[str, str]]


@click.command(short_help="Print everything recorded about one thing.")
@click.argument("target")
@source_option
def show(target: str, source: str | None) -> int:
    """Print everything that is recorded about one artifact, operation or run.

    TARGET is a path, PATH@VERSION of a table, PATH#TABLE of a database, an artifact id or a unique
    beginning of one, or the id of an operation or a run, as `otelprov runs` and
    `otelprov lineage --format json` print it.

    \b
      otelprov show out/report.csv
      otelprov show table:3f2a91c0
      otelprov show 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7

    Exit codes: as those of `otelprov lineage`.
    """
    from otelprov.cli.targets import resolve

    with opened(source, target) as place:
        found = resolve(target, place)
        if found.trace is not None:
            raise click.ClickException(
                "show takes one artifact or operation; for a trace: "
                f"otelprov lineage trace:{found.trace}"
            )
        if found.operation is not None:
            fields = _operation(found.operation, place)
        elif found.run is not None:
            fields = _run(found.run)
        else:
            assert found.artifact is not None
            fields = _artifact(found.artifact, place)
        fields += [("gap", gap.reason) for gap in found.gaps]
        code = warn(place)
    width = max(len(name) for name, _ in fields)
    for name, value in fields:
        click.echo(f"{name:{width}}  {value}".encode())
    return code


def _artifact(artifact_id: str, source: Source) -> Fields:
    from otelprov.lineage.graph import merge

    makers = source.producers([artifact_id])[artifact_id]
    users = source.consumers([artifact_id])[artifact_id]
    mentions = [
        usage.artifact
        for several in ([one.generated for one in makers], [one.used for one in users])
        for usages in several
        for usage in usages
        if usage.artifact.id == artifact_id
    ]
    fields = _known(merge(mentions))
    named = {("name", one.name) for one in mentions} | {("place", one.uri) for one in mentions}
    already = {value for _, value in fields}
    from otelprov.render.words import clean

    fields += sorted((what, clean(v)) for what, v in named if v and clean(v) not in already)
    fields += [("made by", _line(one)) for one in makers]
    fields += [("used by", _line(one)) for one in users]
    return fields


def _known(artifact: Artifact) -> Fields:
    from otelprov.render.words import clean, rests_on, size

    fields = [
        ("artifact", artifact.id),
        ("kind", artifact.kind),
        ("name", clean(artifact.name or "")),
        ("place", clean(artifact.uri or "")),
        ("version", clean(artifact.version or "")),
        ("schema", clean(artifact.schema_id or "")),
        ("rows", "" if artifact.rows is None else f"{artifact.rows:,}"),
        ("columns", "" if artifact.columns is None else f"{artifact.columns:,}"),
        (
            "bytes",
            "" if artifact.bytes is None else f"{artifact.bytes:,} ({size(artifact.bytes)})",
        ),
        ("coverage", artifact.coverage),
        ("rests on", rests_on(artifact)),
        ("content id", artifact.content_id or ""),
        ("reason", clean(artifact.reason or "")),
    ]
    return [(name, value) for name, value in fields if value]


def _operation(operation: Operation, source: Source) -> Fields:
    from otelprov.render.words import clean, duration, iso, outcome, run_name

    known = None
    unknown = operation.status == "unknown"
    if operation.run:
        trace_id, _, span_id = operation.run.partition("-")
        known = source.run(trace_id, span_id)
    fields = [
        ("operation", operation.id),
        ("name", clean(operation.name)),
        ("kind", operation.kind),
        ("status", operation.status),
        ("error", clean(operation.error or "")),
        ("check", outcome(operation.check) if operation.check is not None else ""),
        ("start", iso(operation.start)),
        ("end", "not recorded" if unknown else iso(operation.end)),
        ("duration", "" if unknown else duration(operation.end - operation.start)),
        ("service", clean(operation.service)),
        ("run", f"{operation.run}  {run_name(known, operation.run)}" if operation.run else ""),
        ("parent span", operation.parent_span_id or ""),
    ]
    fields += _code(operation.code)
    for name, value in sorted(operation.parameters.items()):
        default = "" if name in operation.given else "  (default)"
        fields.append(("parameter", f"{clean(name)} = {clean(str(value))}{default}"))
    fields += [("used", _usage(usage)) for usage in operation.used]
    fields += [("generated", _usage(usage)) for usage in operation.generated]
    for link in operation.links:
        made = f"  made {link.artifact_id}" if link.artifact_id else ""
        fields.append(("link", f"{link.trace_id}-{link.span_id}{made}"))
    if operation.calls > 1:
        fields.append(("calls", f"{operation.calls:,} from this line, summed up"))
    if operation.pending:
        fields.append(("not known", f"the ids of {operation.pending} artifacts"))
    if operation.dropped:
        fields.append(("left out", f"{operation.dropped} artifacts, for a limit"))
    return [(name, value) for name, value in fields if value]


def _run(run: Run) -> Fields:
    import shlex

    from otelprov.render.words import RUN_STATES, clean, duration, iso

    said = RUN_STATES.get(run.status)
    fields = [
        ("run", run.id),
        ("name", clean(run.name)),
        ("status", run.status + (f" ({said})" if said else "")),
        ("error", clean(run.error or "")),
        ("start", iso(run.start)),
        ("end", iso(run.end) if run.end else ""),
        ("duration", duration(run.end - run.start) if run.end else ""),
        ("service", clean(run.service)),
        ("command", clean(shlex.join(run.command))),
        ("took the place of", run.replaced or ""),
        ("operations", str(run.operations)),
        *(("began, end not recorded", _line(one)) for one in run.unfinished),
        *_code(run.code),
    ]
    return [(name, value) for name, value in fields if value]


def _code(code: Code) -> Fields:
    from otelprov.render.words import clean

    where = ":".join(str(part) for part in (code.file, code.line) if part is not None)
    dirty = {True: "yes", False: "no", None: ""}[code.dirty]
    fields = [
        ("function", code.function or ""),
        ("code", where),
        ("revision", code.revision or ""),
        ("branch", code.branch or ""),
        ("repository", code.repository or ""),
        ("uncommitted", dirty + (f", change {code.change}" if code.change else "")),
    ]
    return [(name, clean(value)) for name, value in fields]


def _usage(usage: Usage) -> str:
    from otelprov.render.words import clean, label, rests_on, shape, size

    artifact = usage.artifact
    name = label(artifact)
    parts = [
        artifact.id,
        f"as {clean(usage.role)}" if usage.role else "",
        name if artifact.name or artifact.uri else "",
        shape(artifact),
        "" if artifact.bytes is None else size(artifact.bytes),
        f"version {clean(artifact.version)}" if artifact.version else "",
        f"content {artifact.content_id}" if artifact.content_id else "",
        rests_on(artifact),
        clean(artifact.reason or ""),
        f"carried id {artifact.carrier}" if artifact.carrier else "",
    ]
    return "  ".join(part for part in parts if part)


def _line(operation: Operation) -> str:
    from otelprov.render.words import clean, iso, location, outcome

    failed = {"error": "failed", "unknown": "began, end not recorded"}.get(operation.status, "")
    if operation.check is not None:
        failed = outcome(operation.check)
    parts = [operation.id, clean(operation.name), location(operation), iso(operation.start), failed]
    return "  ".join(part for part in parts if part)
