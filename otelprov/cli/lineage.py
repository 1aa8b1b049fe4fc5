"""``otelprov lineage``."""

from __future__ import annotations

import click

from otelprov.cli.common import console, opened, source_option, warn


@click.command(short_help="Walk from a result back to its raw data, or on.")
@click.argument("target")
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
def lineage(target: str, source: str | None, direction: str, depth: int | None, form: str) -> int:
    """Walk from TARGET back to the raw data it was made from, or on to what came of it.

    TARGET is a path, an artifact id or a unique beginning of one (4 digits and more),
    trace:<id> for a whole trace, or an operation's id. A path is found by its content: it
    may have been moved or renamed.

    \b
      otelprov lineage out/report.csv
      otelprov lineage file:3f2a91c0 --downstream --format json
      otelprov lineage out/report.csv --format dot | dot -Tsvg > report.svg
      otelprov lineage out/report.csv --source jaeger+http://localhost:16686

    In the tree a column is a chain: each line was made from the line below it. What could not
    be followed is marked and told at the end.

    Exit codes: 0 answered; 1 not found, not reachable or ambiguous; 2 wrong usage or a bad
    setting; 3 answered, but damaged lines of the journal (named on stderr) were passed over.
    """
    from dataclasses import replace

    from otelprov.cli.targets import resolve
    from otelprov.lineage import walk

    with opened(source, target) as place:
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
        answer = replace(answer, gaps=(*found.gaps, *answer.gaps))
        code = warn(place)
    if form == "tree":
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
