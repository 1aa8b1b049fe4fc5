"""Which contents each derivation had: questions to the index, answered there.

A derivation id says how something was made. Its content is seen in two places: where it was made
(in the tier ``full``), and where it was written as it was. The two are kept apart, as *stages*:
what was changed in between by code that is not recorded would look like two contents.
"""

# ruff: noqa: S608 - the parts that questions are put together from are this module's own

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal

from otelprov._record import record
from otelprov.journal.index import JournalIndex

Stage = Literal["made", "written"]
"""Where a content was seen."""

_PART: Final = 400  # SQLite before 3.32 takes 999 values, and an operation has an id of two

# One row for each operation that made a derivation and each stage at which its content is known.
# Within one stage a maker has one content; if it seems to have two, the object was changed
# unseen, and nothing is said of it (`content` is NULL).
_SEEN: Final = """
SELECT artifact, stage, maker, MIN(started) AS started,
  CASE WHEN COUNT(DISTINCT content) = 1 THEN MIN(content) END AS content
FROM (
  SELECT artifacts.artifact AS artifact, artifacts.content AS content, spans.started AS started,
    CASE WHEN artifacts.made THEN 'made' ELSE 'written' END AS stage,
    CASE WHEN artifacts.made THEN spans.trace || '-' || spans.span ELSE artifacts.maker END AS maker
  FROM artifacts JOIN operations AS spans ON spans.id = artifacts.span
  WHERE artifacts.content IS NOT NULL AND artifacts.artifact >= 'derived:'
    AND artifacts.artifact < 'derived;' AND (artifacts.made OR artifacts.maker IS NOT NULL){where}
)
GROUP BY artifact, stage, maker
"""


@record
class Scope:
    """Which derivations are asked about: all, or those that meet every condition that is set."""

    since: int | None = None
    """Only what was recorded from this time on, in nanoseconds since the epoch."""
    run: str | None = None
    """Only what this run made: ``<trace id>-<span id>``. It is compared with all runs."""
    artifacts: frozenset[str] | None = None
    """Only these ids."""


@record
class Totals:
    """How many derivations there are in a scope, by what can be said of them."""

    compared: int
    """Made more than once, with their contents known."""
    differing: int
    """Of these, those with several contents."""
    once: int
    """Whose content is known of one making only."""
    unclear: int
    """Changed, after they were made, by something that was not recorded."""
    unknown: int
    """Whose content is not known at all."""


@record
class Sighting:
    """One making of a derivation, with the content that was seen of it."""

    maker: str
    """``<trace id>-<span id>`` of the operation that made it."""
    content: str
    started: int
    """Nanoseconds since the epoch; of the write, where it was seen when it was written."""


def totals(index: JournalIndex, scope: Scope) -> Totals:
    """How much can be said of the derivations in ``scope``."""
    sums = [0] * 6
    for where, values in _parts(scope):
        known = index.ask(
            "SELECT COALESCE(SUM(makers > 1), 0), COALESCE(SUM(contents > 1), 0), "
            "COALESCE(SUM(makers = 1), 0), COALESCE(SUM(makers = 0), 0), COUNT(*) FROM ("
            "SELECT MAX(makers) AS makers, MAX(contents) AS contents FROM ("
            "SELECT artifact, COUNT(content) AS makers, COUNT(DISTINCT content) AS contents "
            f"FROM ({_SEEN.format(where=where)}) GROUP BY artifact, stage) GROUP BY artifact)",
            values,
        )[0]
        made = index.ask(
            "SELECT COUNT(DISTINCT artifacts.artifact) FROM artifacts "
            "JOIN operations AS spans ON spans.id = artifacts.span WHERE artifacts.made "
            f"AND artifacts.artifact >= 'derived:' AND artifacts.artifact < 'derived;'{where}",
            values,
        )[0]
        sums = [one + other for one, other in zip(sums, (*known, *made), strict=True)]
    compared, differing, once, unclear, seen, made_at_all = sums
    return Totals(compared, differing, once, unclear, max(made_at_all - seen, 0))


def differing(index: JournalIndex, scope: Scope) -> Iterator[tuple[str, Stage]]:
    """The derivations that had several contents, oldest first, with the stage that shows it."""
    found: list[tuple[int, str, Stage]] = []
    for where, values in _parts(scope):
        rows = index.ask(
            "SELECT started, artifact, stage FROM ("
            "SELECT artifact, MIN(stage) AS stage, MIN(started) AS started FROM ("
            "SELECT artifact, stage, MIN(started) AS started "
            f"FROM ({_SEEN.format(where=where)}) GROUP BY artifact, stage "
            "HAVING COUNT(DISTINCT content) > 1) GROUP BY artifact)",
            values,
        )
        found.extend((started, artifact, stage) for started, artifact, stage in rows)
    for _, artifact, stage in sorted(found):
        yield artifact, stage


def sightings(index: JournalIndex, artifact: str, stage: Stage, scope: Scope) -> list[Sighting]:
    """Every making of one derivation whose content was seen at a stage, oldest first."""
    where, values = " AND artifacts.artifact = ?", (artifact,)
    since, from_ = _since(scope)
    rows = index.ask(
        f"SELECT maker, content, started FROM ({_SEEN.format(where=where + since)}) "
        "WHERE stage = ? AND content IS NOT NULL ORDER BY started, maker",
        (*values, *from_, stage),
    )
    return [Sighting(*row) for row in rows]


def settled(index: JournalIndex, artifact: str) -> bool:
    """Whether every making of a derivation is known to have had the same content."""
    rows = index.ask(
        "SELECT COUNT(*), COUNT(DISTINCT artifacts.content), COUNT(artifacts.content) "
        "FROM artifacts WHERE artifacts.artifact = ? AND artifacts.made",
        (artifact,),
    )
    makings, contents, known = rows[0]
    return bool(makings == known and contents == 1)


def inputs(index: JournalIndex, artifact: str) -> list[str]:
    """The derivations that a derivation was made from."""
    rows = index.ask(
        "SELECT DISTINCT used.artifact FROM artifacts AS made "
        "JOIN artifacts AS used ON used.span = made.span AND NOT used.made "
        "WHERE made.artifact = ? AND made.made "
        "AND used.artifact >= 'derived:' AND used.artifact < 'derived;' ORDER BY used.artifact",
        (artifact,),
    )
    return [row[0] for row in rows]


def contents_used(
    index: JournalIndex, makers: Sequence[str]
) -> dict[str, frozenset[tuple[str, str]] | None]:
    """All that each operation used, with its contents; None where one of them is not known."""
    found: dict[str, set[tuple[str, str]] | None] = {maker: set() for maker in makers}
    for part in _chunks(makers):
        pairs = [maker.partition("-")[::2] for maker in part]
        rows = index.ask(
            "SELECT spans.trace || '-' || spans.span, artifacts.artifact, artifacts.content "
            f"FROM (VALUES {', '.join(['(?, ?)'] * len(pairs))}) AS wanted "
            # CROSS: in this order, by the index. SQLite would look through all spans (3.40).
            "CROSS JOIN spans ON spans.trace = wanted.column1 AND spans.span = wanted.column2 "
            "JOIN artifacts ON artifacts.span = spans.id AND NOT artifacts.made",
            [value for pair in pairs for value in pair],
        )
        for maker, artifact, content in rows:
            known = found[maker]
            if artifact.startswith(("derived:", "resource:")) and content is None:
                found[maker] = None
            elif known is not None:
                known.add((artifact, content or artifact))
    return {maker: None if ids is None else frozenset(ids) for maker, ids in found.items()}


def _parts(scope: Scope) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The scope as conditions of SQL; several where it names more ids than one question takes."""
    where, values = _since(scope)
    if scope.run is not None:
        where += (
            " AND artifacts.artifact IN (SELECT own.artifact FROM artifacts AS own "
            "JOIN operations AS its ON its.id = own.span "
            "WHERE its.run = (SELECT id FROM runs WHERE runs.run = ?) AND own.made)"
        )
        values = (*values, scope.run)
    if scope.artifacts is None:
        yield where, values
        return
    for part in _chunks(sorted(scope.artifacts)):
        marks = ", ".join("?" * len(part))
        yield f"{where} AND artifacts.artifact IN ({marks})", (*values, *part)


def _since(scope: Scope) -> tuple[str, tuple[Any, ...]]:
    return ("", ()) if scope.since is None else (" AND spans.started >= ?", (scope.since,))


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _PART] for start in range(0, len(ids), _PART))
