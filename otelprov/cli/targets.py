"""What TARGET means: a path, a version of a table, an artifact id, an operation, or a trace."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from otelprov._record import record
from otelprov.cli import databases, lakes
from otelprov.lineage.graph import Gap
from otelprov.lineage.makers import latest
from otelprov.model import Artifact, Operation, Run, id_beginning, id_prefix
from otelprov.render.words import clean, place

if TYPE_CHECKING:
    from otelprov.lineage.sources import Source

_TRACE = re.compile(r"trace:([0-9a-f]{32})")
_OPERATION = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
_FORMS = (
    "an existing path, PATH@VERSION of a table, PATH#TABLE of a database, an artifact id or its "
    "beginning, a URI, trace:<id>, or an operation's id"
)
_LISTED = 20


@record
class Target:
    """What was asked for: exactly one of the first four."""

    artifact: str | None = None
    operation: Operation | None = None
    run: Run | None = None
    trace: str | None = None
    maker: Operation | None = None
    """The operation that made the artifact, where the file itself says so."""
    gaps: tuple[Gap, ...] = ()
    """What the way to the target already tells."""


def resolve(text: str, source: Source) -> Target:
    """Find what TARGET means in a source.

    Raises:
        click.ClickException: nothing or more than one thing is meant; the message says what.
    """
    if os.path.lexists(text):
        return _path(text, source)
    lowered = text.lower()
    if match := _TRACE.fullmatch(lowered):
        return Target(trace=match[1])
    if match := _OPERATION.fullmatch(lowered):
        return _operation(match[1], match[2], source)
    if beginning := id_beginning(lowered):
        return Target(artifact=_artifact(*beginning, source))
    if tables := databases.table(text, source):
        return _only(tables, clean(text))
    if "://" in text:
        known = source.at([text])
        if known:
            return _at_uri(text, known, source)
    place_, version = lakes.with_version(text)
    if version:
        return _version(place_, version, source)
    raise click.ClickException(
        f"there is no file {clean(text)}, and it is no id either; TARGET is {_FORMS}"
        + _known_place(text, source)
    )


def _at_uri(uri: str, known: list[str], source: Source) -> Target:
    """What was there last; of a table with versions that which was made last, and it says so."""
    versions = lakes.recorded([uri], source) if id_prefix(known[0]) == "version" else []
    if not versions:
        return Target(artifact=known[0])
    last = versions[0]
    at = f"{clean(uri)}@{clean(last.version or '')}"
    reason = f"{at} is the last version that {source.name} knows; the table may have others since"
    return Target(artifact=last.id, gaps=(Gap(reason, artifact=last.id),))


def _version(text: str, version: str, source: Source) -> Target:
    uris = _uris(text)
    known = lakes.at_version(text, version, uris, source)
    shown = f"{clean(text)}@{clean(version)}"
    if not known:
        hint = lakes.told(text, uris, source)
        raise click.ClickException(f"{source.name} knows no version {shown}{hint}")
    return _only(known, shown)


def _only(known: list[str], shown: str) -> Target:
    if len(known) > 1:
        listed = "\n  ".join(known)
        raise click.ClickException(f"{shown} is ambiguous; it may be\n  {listed}")
    return Target(artifact=known[0])


def split(text: str, source: Source) -> tuple[str, list[str]]:
    """As ``with_columns``, but for what is the table of a database to the source."""
    if "#" not in text or os.path.lexists(text):
        return with_columns(text)
    whole = source.at([text]) if "://" in text else databases.table(text, source)
    return (text, []) if whole else with_columns(text)


def with_columns(text: str) -> tuple[str, list[str]]:
    """The target of ``TARGET#column,column``, and the columns; none where it names none.

    What is an existing path, ``#`` and all, is one.
    """
    if os.path.lexists(text) or "#" not in text:
        return text, []
    target, _, names = text.rpartition("#")
    listed = next(csv.reader([names]), [])
    return (target, listed) if target and all(listed) else (text, [])


def _operation(trace_id: str, span_id: str, source: Source) -> Target:
    operation = source.operation(trace_id, span_id)
    if operation is not None:
        return Target(operation=operation)
    run = source.run(trace_id, span_id)
    if run is not None:
        return Target(run=run)
    raise click.ClickException(f"operation {trace_id}-{span_id} is not in {source.name}")


def _artifact(kind: str | None, digits: str, source: Source) -> str:
    prefix = f"{kind}:{digits}" if kind else digits
    if len(digits) < 4 or len(digits) > 64:
        raise click.ClickException(f"{prefix} is no beginning of an id; give 4 to 64 hex digits")
    found = [prefix] if kind and len(digits) == 64 else source.complete(prefix)
    if len(found) > 1:
        more = "\n  …" if len(found) >= _LISTED else ""
        listed = "\n  ".join(found)
        raise click.ClickException(f"{prefix} is ambiguous; it begins\n  {listed}{more}")
    known = _known(found[0], source) if found else None
    if known is None:
        absences = source.absences(None)
        hint = f"; it may be among {', or '.join(absences)}" if absences else ""
        raise click.ClickException(f"no operation in {source.name} used or made {prefix}{hint}")
    return known


def _known(artifact_id: str, source: Source) -> str | None:
    """The id under which a source knows an artifact: its own, or that of its derivation."""
    if source.producers([artifact_id])[artifact_id] or source.consumers([artifact_id])[artifact_id]:
        return artifact_id
    derived = source.holding(artifact_id)
    return derived[0] if derived else None


def _path(text: str, source: Source) -> Target:
    from otelprov.artifacts import carrier, identify_path, table_in_file

    path = Path(text)
    shown = place(os.path.abspath(path))
    lake = lakes.lake_at(path)
    versions = lakes.version_of(lake, text) if lake else []
    recorded = [one.id for one in versions if _known(one.id, source)]
    if recorded:
        return _only(recorded, shown)
    try:
        file = identify_path(path)
        if _known(file.id, source):
            return Target(artifact=file.id, maker=_made_here(file, source, text))
        table = table_in_file(path)
        carried = carrier.read(path)
    except OSError as error:
        raise click.ClickException(f"cannot read {shown}: {error.strerror or error}") from None
    known = _known(table.id, source) if table and table.coverage != "none" else None
    if table and known:
        reason = f"{shown} itself is not in {source.name}; the table that it holds is"
        return Target(artifact=known, gaps=(Gap(reason, artifact=known),))
    writer = source.operation(carried.trace_id, carried.span_id) if carried else None
    if carried and writer:
        return _carried(carried.artifact_id, writer, path, shown)
    if lake:
        at = clean(", ".join(dict.fromkeys(str(one.version) for one in versions)) or lake.version)
        hint = lakes.told(text, _uris(text), source)
        raise click.ClickException(
            f"{shown} is at version {at} ({lake.format}), which is not in {source.name}{hint}"
        )
    hint = f" ({clean(file.reason)})" if file.coverage == "none" and file.reason else ""
    hint += _known_place(text, source) + databases.told(text, source)
    if carried:
        hint += (
            f"; the file says that operation {carried.trace_id}-{carried.span_id} wrote it, "
            f"which is not in {source.name} either"
        )
    hint = hint or "; files that a program opens itself are recorded with OTELPROV_RECORD_OPEN=on"
    raise click.ClickException(f"the content of {shown} ({file.id}) is not in {source.name}{hint}")


def _made_here(file: Artifact, source: Source, text: str) -> Operation | None:
    """The last operation that made the file at the very place that was named."""
    makers = source.producers([file.id])[file.id]
    for uri in _uris(text):
        here = latest(
            [
                one
                for one in makers
                if any(
                    made.artifact.id == file.id and made.artifact.uri == uri
                    for made in one.generated
                )
            ]
        )
        if here is not None:
            return here
    return None


def _carried(artifact_id: str, writer: Operation, path: Path, shown: str) -> Target:
    """The file's bytes are unknown, but it carries the trace of the operation that wrote it."""
    made = [usage.artifact for usage in writer.generated]
    uris = _uris(str(path))
    ranked = sorted(
        made,
        key=lambda one: (one.uri not in uris, one.kind != "file", one.id != artifact_id, one.id),
    )
    target = Target(operation=writer)
    if ranked:
        target = Target(artifact=ranked[0].id, maker=writer)
    # A claim that the file makes: whoever copies its metadata onto other data copies that too.
    reason = (
        f"{shown} says that {clean(writer.name)} ({writer.id}) wrote it, "
        "but its bytes are not those that were recorded"
    )
    return Target(
        artifact=target.artifact,
        operation=target.operation,
        maker=target.maker,
        gaps=(Gap(reason, artifact=target.artifact, operation=None if ranked else writer.id),),
    )


def _known_place(text: str, source: Source) -> str:
    """What the source knows of the same place, with another content."""
    found = source.at(_uris(text))
    if not found:
        return ""
    contents = "content" if len(found) == 1 else "contents"
    listed = "\n  ".join(found[:5])
    more = "\n  …" if len(found) > 5 else ""
    return (
        f"; at that place it knows {len(found)} other {contents}, newest first:\n  {listed}{more}"
    )


def _uris(path: str) -> list[str]:
    absolute = os.path.abspath(path)
    names = dict.fromkeys([absolute, os.path.realpath(path)])
    return [*names, *(Path(name).as_uri() for name in names), path]
