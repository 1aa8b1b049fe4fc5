"""``otelprov runs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from otelprov.cli.common import console, opened, source_option, warn

if TYPE_CHECKING:
    from otelprov.model import Run


@click.command(short_help="List the runs, newest first.")
@source_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def runs(source: str | None, limit: int, form: str) -> int:
    """List the runs, newest first: one process that carried operations out.

    \b
      otelprov runs
      otelprov runs --limit 100 --format json
      otelprov lineage trace:<the id in the last column>

    Exit codes: as those of `otelprov lineage`.
    """
    with opened(source) as place:
        found = place.runs(limit)
        code = warn(place)
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
        "command": list(run.command),
        "code": {
            "revision": run.code.revision,
            "branch": run.code.branch,
            "dirty": run.code.dirty,
        },
        "error": run.error,
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
    for run in found:
        style = {"error": "red", "unknown": "yellow"}.get(run.status, "")
        table.add_row(
            moment(run.start),
            Text(clean(run.name).removeprefix("run "), style="bold"),
            Text(run.status, style=style),
            f"{run.operations:,}",
            revision(run),
            run.trace_id,
        )
    console().print(table)
