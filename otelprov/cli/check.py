"""``otelprov check``: what the journal shows to be wrong with a pipeline."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from otelprov.cli.common import INCOMPLETE, console, opened, source_option, warn

if TYPE_CHECKING:
    from otelprov.journal.derivations import Scope
    from otelprov.lineage.determinism import Report
    from otelprov.lineage.sources import Source
    from otelprov.lineage.sources.journal import JournalSource

_AGO = re.compile(r"(\d+)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_RUN = re.compile(r"[0-9a-f]{4,32}(?:-[0-9a-f]{0,16})?")


class Failed(click.ClickException):
    """The check could not be done."""

    exit_code = 2


@click.group(short_help="Look for what is wrong with a pipeline.")
def check() -> None:
    """Look in the journal for what is wrong with a pipeline.

    \b
      otelprov check determinism      steps that make something else each time
    """


@check.command(short_help="Find steps that make something else each time.")
@click.argument("target", required=False)
@source_option
@click.option("--run", metavar="RUN", help="Only steps of this run, compared with those of all.")
@click.option(
    "--since", metavar="TIME", help="Only what was recorded since: 2026-01-31, 90m, 12h or 7d."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json is a contract, described in docs/check-json.md.",
)
def determinism(
    target: str | None, source: str | None, run: str | None, since: str | None, form: str
) -> int:
    """Find steps that are not deterministic: one derivation, two contents.

    A step is known by its operation, its parameters and what it used (its derivation id). Where
    the same step was taken twice, in one run or in several, and its result had two contents,
    something that is not recorded had a part in it: chance without a seed, a clock, the order of
    a set, a global variable. Where such steps follow one another, the first is told, and those
    after it below.

    Record the pipeline twice, with the contents of all steps:

    \b
      OTELPROV_TIER=full otelprov run -- python pipeline.py
      OTELPROV_TIER=full otelprov run -- python pipeline.py
      otelprov check determinism
      otelprov check determinism out/report.parquet      only the steps that led to it
      otelprov check determinism --run 4bf92f3577b34da6 --format json

    In the tier essential, contents are known of tables that were written as they were made.
    What was taken only once cannot be compared, and is counted.

    Exit codes: 0 none found; 1 found; 2 nothing to compare, or an error; 3 none found, but
    damaged lines of the journal (named on stderr) were passed over.
    """
    from otelprov.lineage.determinism import check as look
    from otelprov.lineage.sources.journal import JournalSource
    from otelprov.render import determinism as render

    start = None if since is None else _time(since)
    try:
        with _status("reading the journal"), opened(source, target or "") as place:
            if not isinstance(place, JournalSource):
                raise Failed("a check reads every operation: it needs a journal, not a Jaeger")
            scope = _scope(place, target, run, start)
            report = look(place, scope)
            code = warn(place)
    except click.ClickException as error:
        raise _as_failed(error) from None
    left = _files_left(report)
    if form == "json":
        from otelprov.render.json import dump

        click.echo(dump(render.to_dict(report, left, place.problems())).encode(), nl=False)
    else:
        render.print_report(report, left, console())
    if report.verdict == "differing":
        return 1
    if report.verdict == "nothing to compare":
        return 2
    return INCOMPLETE if code else 0


def _as_failed(error: click.ClickException) -> click.ClickException:
    return error if error.exit_code == 2 else Failed(error.message)


def _scope(place: JournalSource, target: str | None, run: str | None, since: int | None) -> Scope:
    from otelprov.journal.derivations import Scope

    return Scope(
        since=since,
        run=None if run is None else _run(place, run),
        artifacts=None if target is None else _upstream(place, target),
    )


def _upstream(place: Source, target: str) -> frozenset[str]:
    """The derivations on the way to the target."""
    from otelprov.cli.targets import resolve
    from otelprov.lineage import walk

    found = resolve(target, place)
    if found.run is not None:
        raise Failed(f"{target} is a run; name it with --run")
    if found.trace is not None:
        answer = walk.whole_trace(place, found.trace)
        if answer is None:
            raise Failed(f"no operation in {place.name} belongs to trace {found.trace}")
    else:
        start = found.operation or found.artifact
        assert start is not None
        answer = walk.upstream(place, start, maker=found.maker)
    return frozenset(one.id for one in answer.artifacts if one.id.startswith("derived:"))


def _run(place: JournalSource, text: str) -> str:
    lowered = text.lower()
    if not _RUN.fullmatch(lowered):
        raise Failed(f"{text} is no run; give the trace that 'otelprov runs' prints")
    found = place.index.runs_beginning(lowered, limit=20)
    if not found:
        raise Failed(f"run {text} is not in {place.name}")
    if len(found) > 1:
        listed = "\n  ".join(found)
        raise Failed(f"{text} is ambiguous; it begins\n  {listed}")
    return found[0]


def _time(text: str) -> int:
    """Nanoseconds since the epoch."""
    if match := _AGO.fullmatch(text.strip()):
        ago = timedelta(**{_UNITS[match[2]]: int(match[1])})
        return int((datetime.now(timezone.utc) - ago).timestamp() * 1e9)
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise Failed(
            f"--since {text} is no time; expected a date, a date and time (UTC), 90m, 12h or 7d"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return int(moment.timestamp() * 1e9)


def _files_left(report: Report) -> dict[str, str]:
    """Of the contents that were found, the files that still have them."""
    from otelprov.artifacts import table_in_file

    left: dict[str, str] = {}
    for finding in report.findings:
        for content in finding.contents:
            for uri in content.files:
                path = Path(unquote(urlsplit(uri).path)) if uri.startswith("file://") else None
                if path is None or content.id in left:
                    continue
                table = table_in_file(path)
                if table is not None and table.id == content.id:
                    left[content.id] = str(path)
    return left


@contextmanager
def _status(text: str) -> Iterator[None]:
    """A sign on stderr that something is being done, when that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield
