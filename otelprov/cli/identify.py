"""``otelprov id``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from otelprov.cli.common import strict_settings


@click.command("id", short_help="Print the ids of files and of the tables in them.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def identify(paths: tuple[str, ...], form: str) -> int:
    """Print the id of each PATH, and that of the table in it.

    The ids are computed from the content alone; no journal is asked. A file that was written
    while recording also carries the id and the trace of what wrote it.

    \b
      otelprov id out/report.parquet
      otelprov id data/*.csv --format json

    Exit codes: 0 done; 1 a path could not be read (the others are printed).
    """
    strict_settings()
    found = []
    failed = False
    for path in paths:
        try:
            Path(path).stat()
            found.append(_identify(path))
        except OSError as error:
            click.echo(f"otelprov: cannot read {path}: {error.strerror or error}", err=True)
            failed = True
    if form == "json":
        from otelprov.render.json import dump

        click.echo(dump(found).encode(), nl=False)
    else:
        _print(found)
    return int(failed)


def _identify(path: str) -> dict[str, Any]:
    from otelprov.artifacts import carrier, identify_path, table_in_file

    whole = identify_path(Path(path))
    inside = Path(path).is_file()
    table = table_in_file(Path(path)) if inside else None
    if table and table.coverage == "none":
        why = f": {table.reason}" if table.reason else ""
        click.echo(f"otelprov: the table in {path} could not be identified{why}", err=True)
        table = None
    carried = carrier.read(Path(path)) if inside else None
    return {
        "path": path,
        "id": whole.id,
        "kind": whole.kind,
        "bytes": whole.bytes,
        "coverage": whole.coverage,
        "reason": whole.reason,
        "table": table and {"id": table.id, "rows": table.rows, "columns": table.columns},
        "carried": carried
        and {
            "id": carried.artifact_id,
            "traceparent": f"00-{carried.trace_id}-{carried.span_id}-01",
        },
    }


def _print(found: list[dict[str, Any]]) -> None:
    from otelprov.render.words import clean

    for one in found:
        path = clean(one["path"])
        reason = f": {clean(one['reason'])}" if one["reason"] else ""
        coverage = "" if one["coverage"] == "full" else f"  (coverage {one['coverage']}{reason})"
        click.echo(f"{one['id']}  {path}{coverage}".encode())
        table = one["table"]
        if table:
            click.echo(f"{table['id']}  {path}".encode())
        carried = one["carried"]
        if carried:
            click.echo(
                f"{carried['id']}  {path}  (carried, traceparent {carried['traceparent']})".encode()
            )
