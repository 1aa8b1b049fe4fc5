"""``otelprov id``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from otelprov.cli.common import source_option, strict_settings

if TYPE_CHECKING:
    from otelprov.artifacts.lakes import Lake


@click.command("id", short_help="Print the ids of files and of the tables in them, or compare two.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--explain", is_flag=True, help="Compare two: are they equal, and where do they differ?"
)
@click.option("--values", is_flag=True, help="With --explain: show the values that differ.")
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    metavar="N",
    help="With --explain: tell the first N rows that differ.  [default: 5]",
)
@click.option("--schema", is_flag=True, help="Print the id of the schema of each table, too.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@source_option
def identify(
    paths: tuple[str, ...],
    explain: bool,
    values: bool,
    rows: int | None,
    schema: bool,
    form: str,
    source: str | None,
) -> int:
    """Print the id of each PATH, and that of the table in it.

    The ids are computed from the content alone; no journal is asked. A file that was written
    while recording also carries the id and the trace of what wrote it: verified if that id is
    still the one of its content, stale if not, unverified if that cannot be known.

    The directory of a Delta Lake or Iceberg table also has the id of the version that it is at,
    as its log and metadata files say; PATH@VERSION is that of another.

    \b
      otelprov id out/report.parquet
      otelprov id data/*.csv --format json
      otelprov id data/*.parquet --schema
      otelprov id lake/orders lake/orders@6

    With --explain two are compared, A and B: Parquet and Arrow files as tables, directories of
    Parquet files too, other files by their bytes. It says which columns were added, removed,
    renamed, moved or have another type, and of those that differ which blocks of rows (65,536
    each), how many cells, and the first few rows. A or B may be an id: the journal then says
    which file it was written to.

    \b
      otelprov id monday.parquet tuesday.parquet --explain
      otelprov id monday.parquet tuesday.feather --explain --values --rows 20
      otelprov id out/2025 out/2026 --explain --format json
      otelprov id table:3f2a91c0 out/report.parquet --explain

    Values are data: they are shown with --values only. The JSON of --explain is a contract,
    described in docs/difference-json.md.

    Exit codes: 0 done; 1 a path could not be read (the others are printed). With --explain, as
    those of diff and cmp: 0 they are equal; 1 they differ; 2 they cannot be compared.
    """
    strict_settings()
    if explain:
        if len(paths) != 2:
            raise click.UsageError(f"--explain compares two; {len(paths)} were given")
        return _explain(paths[0], paths[1], source, 5 if rows is None else rows, values, form)
    if values or rows is not None or source is not None:
        raise click.UsageError("--values, --rows and --source go with --explain")
    found = []
    failed = False
    for path in paths:
        try:
            found.append(_version(path) or _identify(path))
        except OSError as error:
            click.echo(f"otelprov: cannot read {path}: {error.strerror or error}", err=True)
            failed = True
    if form == "json":
        from otelprov.render.json import dump

        click.echo(dump(found).encode(), nl=False)
    else:
        _print(found, schema=schema)
    return int(failed)


def _explain(
    first: str, second: str, source: str | None, rows: int, values: bool, form: str
) -> int:
    from otelprov.cli import difference
    from otelprov.cli.explain import explain

    found = explain(first, second, source=source, rows=rows, values=values)
    if form == "json":
        from otelprov.render.json import dump

        click.echo(dump(difference.to_dict(found, values=values)).encode(), nl=False)
    else:
        difference.print_explanation(found, values=values)
    return 0 if found.equal else 1


def _version(text: str) -> dict[str, Any] | None:
    """What ``PATH@VERSION`` is; None for texts of another form."""
    from otelprov.cli import lakes

    place, version = lakes.with_version(text)
    lake = None if not version or os.path.lexists(text) else lakes.lake_at(place)
    if lake is None:
        return None
    found = _in_lake(lake, place, version)
    if found is None:
        raise OSError(f"the table has no version {version}")
    return {
        "path": text,
        "id": found["id"],
        "kind": "table",
        "bytes": None,
        "coverage": "version",
        "reason": None,
        "table": None,
        "carried": None,
        "version": found,
    }


def _in_lake(lake: Lake, place: str, version: str | None = None) -> dict[str, Any] | None:
    from otelprov.cli import lakes

    for one in lakes.version_of(lake, place, version):
        return {"id": one.id, "version": one.version, "format": lake.format}
    return None


def _identify(path: str) -> dict[str, Any]:
    from otelprov.artifacts import carrier, identify_path, table_in_file
    from otelprov.cli import lakes

    Path(path).stat()
    lake = lakes.lake_at(path)
    whole = identify_path(Path(path))
    inside = Path(path).is_file()
    table = table_in_file(Path(path)) if inside else None
    if table and table.coverage == "none":
        why = f": {table.reason}" if table.reason else ""
        click.echo(f"otelprov: the table in {path} could not be identified{why}", err=True)
        table = None
    claims = carrier.claims(Path(path)) if inside else ()
    known = {whole.id, table.id if table else None}
    states = [
        "verified" if one.carrier.artifact_id in known else carrier.verify(path, one.carrier, whole)
        for one in claims
    ]
    # One that is true is enough: a copy of the metadata, or an attribute, may be left over.
    order = ("verified", "unverified", "stale")
    state, carried = min(
        ((state, one.carrier) for state, one in zip(states, claims, strict=True)),
        key=lambda pair: order.index(pair[0]),
        default=(None, None),
    )
    return {
        "path": path,
        "id": whole.id,
        "kind": whole.kind,
        "bytes": whole.bytes,
        "coverage": whole.coverage,
        "reason": whole.reason,
        "table": table
        and {
            "id": table.id,
            "rows": table.rows,
            "columns": table.columns,
            "schema": table.schema_id,
        },
        "carried": carried
        and {
            "id": carried.artifact_id,
            "traceparent": f"00-{carried.trace_id}-{carried.span_id}-01",
            "state": state,
        },
        "version": lake and _in_lake(lake, path),
    }


def _print(found: list[dict[str, Any]], *, schema: bool) -> None:
    from otelprov.render.words import clean

    for one in found:
        path = clean(one["path"])
        reason = f": {clean(one['reason'])}" if one["reason"] else ""
        coverage = "" if one["coverage"] == "full" else f"  (coverage {one['coverage']}{reason})"
        click.echo(f"{one['id']}  {path}{coverage}".encode())
        version = one["version"]
        if version and version["id"] != one["id"]:
            at = f"{clean(version['version'])} of {version['format']}"
            click.echo(f"{version['id']}  {path}  (version {at})".encode())
        table = one["table"]
        if table:
            click.echo(f"{table['id']}  {path}".encode())
            if schema and table["schema"]:
                click.echo(f"{table['schema']}  {path}".encode())
        carried = one["carried"]
        if carried:
            click.echo(
                f"{carried['id']}  {path}  "
                f"(carried, {carried['state']}, traceparent {carried['traceparent']})".encode()
            )
