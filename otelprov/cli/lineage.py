"""``otelprov lineage``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click

from otelprov.cli.common import console, opened, source_option, warn

if TYPE_CHECKING:
    from otelprov.lineage.graph import Direction, Lineage
    from otelprov.lineage.sources import Source


@click.command(short_help="Walk from a result back to its raw data, or on.")
@click.argument("target", required=False)
@click.option(
    "--log",
    type=click.File("r", errors="replace"),
    metavar="FILE",
    help="Take the target from a log line in FILE (- is standard input): JSON, logfmt, a line of "
    "a console or OTLP.",
)
@source_option
@click.option(
    "--upstream", "direction", flag_value="upstream", default=True, help="Back to the raw data."
)
@click.option("--downstream", "direction", flag_value="downstream", help="On to what came of it.")
@click.option(
    "--depth", type=click.IntRange(min=1), metavar="N", help="Follow at most N operations in a row."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "json", "mermaid", "dot"]),
    default="tree",
    show_default=True,
    help="json is a contract, described in docs/lineage-json.md.",
)
def lineage(
    target: str | None,
    log: TextIO | None,
    source: str | None,
    direction: Direction,
    depth: int | None,
    form: str,
) -> int:
    """Walk from TARGET back to the raw data it was made from, or on to what came of it.

    TARGET is a path, an artifact id or a unique beginning of one (4 digits and more),
    trace:<id> for a whole trace, or an operation's id. A path is found by its content: it
    may have been moved or renamed. The directory of a Delta Lake or Iceberg table is the version
    that it is at, and PATH@VERSION (a number, the id of a snapshot) another; so is URI@VERSION.
    PATH#TABLE is a table in the file of a DuckDB or SQLite database, and its URI one anywhere.

    \b
      otelprov lineage out/report.csv
      otelprov lineage file:3f2a91c0 --downstream --format json
      otelprov lineage 'out/report.csv#total'
      otelprov lineage lake/orders@6
      otelprov lineage 'warehouse.duckdb#orders'
      otelprov lineage out/report.csv --format dot | dot -Tsvg > report.svg
      otelprov lineage out/report.csv --source jaeger+http://localhost:16686
      grep 'rows lost' pipeline.log | otelprov lineage --log -

    In the tree a column is a chain: each line was made from the line below it. What could not
    be followed is marked and told at the end.

    TARGET#COLUMN follows a column of a table or file (TARGET#a,b several) through the
    operations: which columns its values come from, and how. "opaque" is where they may come
    from any of those named, because nobody can see into an operation.

    A log line (--log) names its span. Where an operation was running, its lineage is shown.
    Where the script itself has logged, that of the data that the line names; or, where it
    names none, what the run had done until then. Of several lines the first counts.

    Exit codes: 0 answered; 1 not found, not reachable or ambiguous; 2 wrong usage or a bad
    setting; 3 answered, but damaged lines of the journal (named on stderr) were passed over.
    """
    if (target is None) == (log is None):
        raise click.UsageError("give a TARGET, or a log line with --log")
    from otelprov.cli.targets import split, with_columns

    names: list[str] = []
    with opened(source, with_columns(target)[0] if target else "") as place:
        if target:
            target, names = split(target, place)
        answer = _asked(target, direction, depth, place) if target else _logged(log, depth, place)
        code = warn(place)
    if names:
        _print_columns(answer, names, target or "", form)
    elif form == "tree":
        from otelprov.render.tree import print_tree

        print_tree(answer, console())
    elif form == "json":
        from otelprov.render.json import to_json

        click.echo(to_json(answer).encode(), nl=False)
    else:
        from otelprov.render import diagrams

        draw = diagrams.to_mermaid if form == "mermaid" else diagrams.to_dot
        click.echo(draw(answer).encode(), nl=False)
    return code


def _print_columns(answer: Lineage, names: list[str], target: str, form: str) -> None:
    from otelprov.lineage.column_walk import NoSuchColumn, columns
    from otelprov.render import columns as rendering

    if answer.target not in {one.id for one in answer.artifacts}:
        raise click.UsageError(f"{target} is no piece of data: only those have columns")
    try:
        found = columns(answer, names)
    except NoSuchColumn as error:
        raise click.ClickException(f"{target}: {error}") from None
    if form == "tree":
        rendering.print_tree(found, console())
    else:
        forms = {
            "json": rendering.to_json,
            "mermaid": rendering.to_mermaid,
            "dot": rendering.to_dot,
        }
        click.echo(forms[form](found).encode(), nl=False)


def _asked(target: str, direction: Direction, depth: int | None, place: Source) -> Lineage:
    from dataclasses import replace

    from otelprov.cli.targets import resolve
    from otelprov.lineage import walk

    found = resolve(target, place)
    if found.run is not None:
        raise click.ClickException(
            f"{target} is a run; its whole trace is trace:{found.run.trace_id}"
        )
    if found.trace is not None:
        if depth is not None or direction == "downstream":
            raise click.UsageError("trace:<id> is the whole trace; it takes no direction")
        answer = walk.whole_trace(place, found.trace)
        if answer is None:
            raise click.ClickException(
                f"no operation in {place.name} belongs to trace {found.trace}"
            )
    else:
        start = found.operation or found.artifact
        assert start is not None
        if direction == "downstream":
            answer = walk.downstream(place, start, depth=depth)
        else:
            answer = walk.upstream(place, start, depth=depth, maker=found.maker)
    return walk.checked(place, replace(answer, gaps=(*found.gaps, *answer.gaps)))


def _logged(log: TextIO | None, depth: int | None, place: Source) -> Lineage:
    """The lineage of what was going on when a line was logged."""
    from otelprov.lineage import walk
    from otelprov.lineage.logged import reference, until
    from otelprov.render.words import iso

    line = next(filter(None, map(reference, log or ())), None)
    if line is None:
        raise click.ClickException(
            "no log line with a trace_id was given (32 hex digits, as trace_id=… or in JSON)"
        )
    operation = place.operation(line.trace_id, line.span_id) if line.span_id else None
    if operation is not None:
        _say(f"the line was logged during {operation.name} ({operation.id})")
        return walk.upstream(place, operation, depth=depth)
    for artifact_id in line.artifacts:
        if place.producers([artifact_id])[artifact_id] or place.holding(artifact_id):
            more = len(line.artifacts) - 1
            _say(f"the line names {artifact_id}" + (f" and {more} more" if more else ""))
            return walk.upstream(place, artifact_id, depth=depth)
    operations = until(place.trace(line.trace_id), line)
    answer = walk.all_of(place, operations, f"trace:{line.trace_id}")
    if answer is None:
        raise click.ClickException(
            f"no operation in {place.name} belongs to trace {line.trace_id}"
            + (f" and was over at {iso(line.time)}" if line.time else "")
        )
    when = f"until {iso(line.time)}" if line.time else "(the line has no time with a zone)"
    _say(f"the line was logged between operations; shown is what its run had done {when}")
    return answer


def _say(text: str) -> None:
    click.echo(f"otelprov: {text}", err=True)
