"""``otelprov runs``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

from otelprov.cli.common import console, opened, source_option, warn

if TYPE_CHECKING:
    from otelprov.model import Operation, Run

_AGO = re.compile(r"(\d+)\s*(min|h|d|w)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHOWN = 5  # operations of one run that were not finished


def _moment(context: click.Context, option: click.Parameter, text: str | None) -> int:
    """Nanoseconds since the epoch: ``2h`` ago, or a date with or without a time, else UTC."""
    if text is None:
        return 0
    now = datetime.now(timezone.utc)
    try:
        if match := _AGO.fullmatch(text.strip()):
            moment = now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            # Python 3.10 does not know the Z.
            moment = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text.strip()))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=timezone.utc)
        return max(int(moment.timestamp()) * 1_000_000_000, 0)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no time; expected '2h', '7d', '2026-03-01' or '2026-03-01T12:00'",
            context,
            option,
        ) from None


@click.command(short_help="List the runs, newest first.")
@source_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N")
@click.option(
    "--since",
    callback=_moment,
    metavar="WHEN",
    help="Only runs that began then or later: 30min, 2h, 7d, 4w ago, or 2026-03-01T12:00 (UTC).",
)
@click.option("--name", metavar="TEXT", help="Only runs with this in their name.")
@click.option(
    "--operation", metavar="NAME", help="Only runs that did this, such as pandas.to_parquet."
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def runs(
    source: str | None,
    limit: int,
    since: int,
    name: str | None,
    operation: str | None,
    form: str,
) -> int:
    """List the runs, newest first: one process that carried operations out.

    The status of a run that has not said how it ended is `running` while its process lives,
    and `died` when it is gone: killed, or the machine went down; `replaced` when another program
    took its place (exec); `unknown` for a server or a notebook, which has no run span to say it.
    Below it stands what it was doing: operations that began, and whose end
    is not recorded.

    \b
      otelprov runs
      otelprov runs --since 2h --name report.py
      otelprov runs --operation pandas.to_parquet --limit 100 --format json
      otelprov lineage trace:<the id in the last column>

    Exit codes: as those of `otelprov lineage`.
    """
    from otelprov.lineage.sources import ALL, Wanted

    wanted = Wanted(since, name, operation)
    with opened(source) as place:
        found = place.runs(limit, wanted)
        code = warn(place)
        if not found and wanted != ALL:
            raise click.ClickException(f"no such run in {place.name}")
        if not found:
            raise click.ClickException(
                f"no run in {place.name}; run 'otelprov run -- python SCRIPT.py'"
            )
    if form == "json":
        from otelprov.render.json import dump

        click.echo(dump([_record(run) for run in found]).encode(), nl=False)
    else:
        _print(found)
    return code


def _record(run: Run) -> dict[str, Any]:
    from otelprov.render.words import iso

    return {
        "id": run.id,
        "name": run.name,
        "service": run.service,
        "status": run.status,
        "start": iso(run.start),
        "end": iso(run.end) if run.end else None,
        "operations": run.operations,
        "unfinished": [
            {
                "id": one.id,
                "name": one.name,
                "kind": one.kind,
                "start": iso(one.start),
                "code": {"file": one.code.file, "line": one.code.line},
            }
            for one in run.unfinished
        ],
        "command": list(run.command),
        "code": {
            "revision": run.code.revision,
            "branch": run.code.branch,
            "dirty": run.code.dirty,
        },
        "error": run.error,
        "replaced": run.replaced,
    }


def _print(found: list[Run]) -> None:
    from rich.table import Table
    from rich.text import Text

    from otelprov.render.words import clean, moment, revision

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("started (UTC)", no_wrap=True, min_width=19)
    table.add_column("run", no_wrap=True, overflow="ellipsis")
    table.add_column("status", no_wrap=True, min_width=7)
    table.add_column("ops", no_wrap=True, justify="right", min_width=4)
    table.add_column("code", no_wrap=True, min_width=8)
    table.add_column("trace", no_wrap=True, min_width=32)
    styles = {"error": "red", "died": "red", "unknown": "yellow"}
    styles |= dict.fromkeys(("running", "replaced"), "cyan")
    for run in found:
        table.add_row(
            moment(run.start),
            Text(clean(run.name).removeprefix("run "), style="bold"),
            Text(run.status, style=styles.get(run.status, "")),
            f"{run.operations:,}",
            revision(run),
            run.trace_id,
        )
        for one in run.unfinished[:_SHOWN]:
            table.add_row(moment(one.start), _unfinished(one, run), "", "", "", one.span_id)
        more = len(run.unfinished) - _SHOWN
        if more > 0:
            table.add_row("", Text(f"  … and {more} more", style="yellow"))
    console().print(table)


def _unfinished(operation: Operation, run: Run) -> Any:
    from rich.text import Text

    from otelprov.render.words import clean, location

    where = location(operation)
    doing = "is in" if run.status == "running" else "was in"
    place = f" ({where})" if where else ""
    return Text(f"  {doing} {clean(operation.name)}{place}", style="yellow")
