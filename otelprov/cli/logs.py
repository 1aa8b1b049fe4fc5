"""``otelprov logs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from otelprov.cli.common import WIDTH, console, opened, opened_logs, warn

if TYPE_CHECKING:
    from otelprov.lineage.graph import Lineage
    from otelprov.lineage.logged import Written

SCHEMA = "otelprov.logs/1"


@click.command(short_help="Print what was logged while something was made.")
@click.argument("target")
@click.option(
    "--source",
    metavar="SOURCE",
    help="Where the log lines are: journal:PATH, otlp-file:PATH (what a Collector's file exporter "
    "writes) or loki+http://HOST:PORT.  [default: the journal]",
)
@click.option(
    "--lineage",
    metavar="SOURCE",
    help="Where the lineage is: journal:PATH, jaeger+http://HOST:PORT or tempo+http://HOST:PORT.  "
    "[default: the journal]",
)
@click.option(
    "--depth", type=click.IntRange(min=1), metavar="N", help="Follow at most N operations in a row."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json is a contract, described in docs/logs.md.",
)
def logs(target: str, source: str | None, lineage: str | None, depth: int | None, form: str) -> int:
    """Print the log lines that were written while TARGET was made, in all the runs behind it.

    TARGET is what `otelprov lineage` takes: a path, an artifact id or its beginning, an
    operation's id, or trace:<id>.

    \b
      otelprov logs out/report.csv
      otelprov logs table:3f2a91c0 --source loki+http://localhost:3100
      otelprov logs out/report.csv --source otlp-file:/var/log/otel/logs.json --format json

    Shown are the lines of every operation that had a part in it; and of the scripts around
    them, what they logged between operations, until the last of these was over. Runs stand in
    the order of the data, the lines of a run in the order of its clock. For the journal to
    have the program's log lines, start it with OTEL_LOGS_EXPORTER=otelprov.

    Exit codes: as those of `otelprov lineage`.
    """
    from otelprov.cli.targets import resolve
    from otelprov.lineage import walk
    from otelprov.lineage.logged import around

    with opened(lineage, target) as place, opened_logs(source) as store:
        found = resolve(target, place)
        answer: Lineage | None
        if found.run is not None or found.trace is not None:
            trace = found.trace or (found.run.trace_id if found.run else "")
            answer = walk.whole_trace(place, trace)
            if answer is None:
                raise click.ClickException(f"no operation in {place.name} belongs to {target}")
        else:
            start = found.operation or found.artifact
            assert start is not None
            answer = walk.upstream(place, start, depth=depth, maker=found.maker)
        written = around(place, store, answer)
        code = max(warn(place), warn(store))
    if form == "json":
        from otelprov.render.json import dump

        content = {
            "schema": SCHEMA,
            "target": answer.target,
            "lines": [_record(one) for one in written],
            "gaps": [{"at": gap.place, "reason": gap.reason} for gap in answer.gaps],
        }
        click.echo(dump(content).encode(), nl=False)
        return code
    if not written:
        raise click.ClickException(
            f"{store.name} has no log line of what made {target}; for the journal to have them, "
            "start the program with OTEL_LOGS_EXPORTER=otelprov"
        )
    _print(written, answer)
    return code


def _record(written: Written) -> dict[str, Any]:
    from otelprov.render.words import iso

    line = written.line
    return {
        "time": iso(line.time),
        "run": written.run,
        "trace_id": line.trace_id,
        "span_id": line.span_id,
        "operation": written.operation.name if written.operation else None,
        "severity": line.severity,
        "logger": line.logger,
        "service": line.service,
        "body": line.body,
        "attributes": dict(line.attributes),
    }


def _print(written: list[Written], answer: Lineage) -> None:
    from rich.text import Text

    from otelprov.lineage.logged import names
    from otelprov.render.words import clean, moment, run_name

    out = console()
    shown = None
    for one in written:
        line = one.line
        if one.run != shown:
            shown = one.run
            known = answer.runs.get(one.run)
            title = run_name(known, one.run) if known else one.run
            began = f"  {moment(known.start)} UTC" if known else ""
            out.print(Text(f"▶ {title}{began} · service {clean(line.service)}", style="bold"))
        own = names(line.attributes)
        values = " ".join(
            f"{clean(name)}={clean(str(value))}"
            for name, value in line.attributes.items()
            if name not in own and not name.startswith("exception.")
        )
        when = moment(line.time)[-8:] + f".{line.time // 10**6 % 1000:03d}"
        during = f"  ● {clean(one.operation.name)}" if one.operation else ""
        text = f"  {when} {line.severity or '-':5} {clean(line.body)}  {values}".rstrip()
        style = {"ERROR": "red", "FATAL": "red", "WARN": "yellow"}.get(line.severity, "")
        out.print(Text(text + during, style=style), soft_wrap=True)
        if error := line.attributes.get("exception.type"):
            message = line.attributes.get("exception.message", "")
            out.print(Text(f"    {clean(f'{error}: {message}')[: 2 * WIDTH]}", style="red"))
    for gap in answer.gaps:
        out.print(Text(f"⚠ {clean(gap.reason)}", style="yellow"), soft_wrap=True)
