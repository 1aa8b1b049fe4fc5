"""The journal as a source."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from otelprov import semconv
from otelprov.journal import retention
from otelprov.journal.index import JournalIndex, RunEntry
from otelprov.journal.places import Place
from otelprov.journal.reader import Span
from otelprov.lineage import decode
from otelprov.lineage.sources import ALL, SourceError, Wanted
from otelprov.model import Operation, Run, RunStatus

_NEAREST, _FURTHEST = 16, 4096  # artifacts
_CANDIDATES = 20  # of an ambiguous beginning: enough to list


class JournalSource:
    """The operations in the journal in a directory.

    Raises:
        SourceError: there is no journal there, or it holds nothing.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(os.path.abspath(os.path.expanduser(directory)))
        self.name = f"journal:{self._directory}"
        advice = (
            "run 'otelprov run -- python SCRIPT.py', or name another journal with "
            "--source journal:PATH or OTELPROV_JOURNAL"
        )
        try:
            self.index = JournalIndex(self._directory)
        except FileNotFoundError:
            raise SourceError(
                f"there is no journal at {self._directory}: nothing was recorded there yet; "
                + advice
            ) from None
        except OSError as error:
            raise SourceError(
                f"cannot read the journal at {self._directory}: {error.strerror or error}"
            ) from None
        if not self.index.totals().files:
            raise SourceError(f"the journal at {self._directory} is empty; {advice}")
        self._makers: dict[str, list[Place]] = {}
        self._ahead = _NEAREST
        self._operations: dict[tuple[str, str], Operation | None] = {}
        self._unread: set[str] = set()

    def producers(self, ids: Collection[str]) -> dict[str, list[Operation]]:
        """The operations that generated each artifact."""
        unknown = [id_ for id_ in ids if id_ not in self._makers]
        if unknown:
            # A walk back is met halfway: 1,000 steps in a row are not 1,000 questions. On a walk
            # on, what lies behind is known already.
            found = self.index.ancestors(unknown, self._ahead)
            new = sum(id_ not in self._makers for id_ in found)
            self._ahead = min(self._ahead * 4, _FURTHEST) if new * 2 > len(found) else _NEAREST
            self._makers.update(found)
        return {id_: self._decode_all(self._makers[id_]) for id_ in ids}

    def consumers(self, ids: Collection[str]) -> dict[str, list[Operation]]:
        """The operations that used each artifact."""
        return {id_: self._decode_all(places) for id_, places in self.index.using(ids).items()}

    def operation(self, trace_id: str, span_id: str) -> Operation | None:
        """One operation, when the journal has it."""
        place = self.index.span(trace_id, span_id)
        return self._decode(place) if place else None

    def trace(self, trace_id: str) -> list[Operation]:
        """The operations of a trace, oldest first."""
        return self._decode_all(self.index.trace(trace_id))

    def run(self, trace_id: str, span_id: str) -> Run | None:
        """One run, when its run span or its beginning is in the journal."""
        place = self.index.span(trace_id, span_id)
        span = self._read(place) if place else None
        if span is None or not decode.is_run(span):
            return None
        run_id = f"{trace_id}-{span_id}"
        return self._state(decode.run(span, self.index.operations_of(run_id)), run_id)

    def runs(self, limit: int, wanted: Wanted = ALL) -> list[Run]:
        """The newest runs, also those that were killed before their run span was written."""
        entries = self.index.runs(
            limit, since=wanted.since, name=wanted.name, operation=wanted.operation
        )
        return [self._run(entry) for entry in entries]

    def complete(self, prefix: str) -> list[str]:
        """The artifact ids that begin with ``prefix``."""
        return self.index.beginning(prefix, _CANDIDATES)

    def holding(self, content_id: str) -> list[str]:
        """The ids of derived artifacts whose content has this id, newest first."""
        return self.index.holding(content_id)

    def at(self, uris: Sequence[str]) -> list[str]:
        """The ids of artifacts read from or written to one of these places, newest first."""
        return self.index.at(uris)

    def tables_of(self, database: str) -> list[str]:
        """The URIs of the tables of a database that operations have read or written."""
        return self.index.tables_of(database)

    def problems(self) -> list[str]:
        """The damaged lines."""
        return [str(damage) for damage in self.index.damage()] + sorted(self._unread)

    def absences(self, before: int | None) -> list[str]:
        """What was deleted to keep the journal within its limit, and what was never written."""
        found = []
        gone = retention.pruned(self._directory)
        if not gone.complete:
            found.append("those that were deleted before, of which the record is damaged")
        if gone.spans and (before is None or gone.start <= before):
            what = "1 span that was" if gone.spans == 1 else f"{gone.spans:,} spans that were"
            found.append(f"{what} deleted to keep the journal within its limit")
        lost = self.index.totals().lost_lines
        if lost:
            what = "1 line" if lost == 1 else f"{lost:,} lines"
            found.append(f"{what} that could not be written to the journal")
        return found

    def _run(self, entry: RunEntry) -> Run:
        span = self._read(entry.place) if entry.place else None
        if span is not None:
            return self._state(decode.run(span, entry.operations), entry.run)
        trace_id, _, span_id = entry.run.partition("-")
        has_span = not entry.run.startswith(semconv.PROCESS_RUN)
        first = next((one for one in self.trace(trace_id) if one.run == entry.run), None)
        run = Run(
            trace_id=trace_id,
            span_id=span_id,
            name="(run span not recorded)" if has_span else "(server or notebook)",
            service=first.service if first else "unknown_service",
            status="unknown",
            start=entry.started // 1000 * 1000,
            end=None,
            operations=entry.operations,
        )
        return self._state(run, entry.run)

    def _state(self, run: Run, run_id: str) -> Run:
        """With what is known of a run that has not said how it ended, and of its operations."""
        unfinished = tuple(self._decode_all(self.index.unfinished(run_id)))
        if run.end is None:
            # Its process holds a lock for as long as it lives.
            states: dict[bool | None, RunStatus] = {True: "running", False: "died"}
            if run_id.startswith(semconv.PROCESS_RUN):  # it never says how it ended
                states[False] = "unknown"
            status = states.get(self.index.is_open(run_id), "unknown")
            if status == "died" and self._is_replaced(run.trace_id, run_id):
                status = "replaced"
            run = replace(run, status=status)
        return replace(run, unfinished=unfinished)

    def _is_replaced(self, trace_id: str, run_id: str) -> bool:
        """Whether another run says that it took the place of this one: it is in its trace."""
        spans = map(self._read, self.index.runs_of(trace_id))
        return any(span and span.attributes.get(semconv.RUN_REPLACED) == run_id for span in spans)

    def _decode_all(self, places: list[Place]) -> list[Operation]:
        return [one for place in places if (one := self._decode(place)) is not None]

    def _decode(self, place: Place) -> Operation | None:
        key = place[:2]  # trace and span
        try:
            return self._operations[key]
        except KeyError:
            span = self._read(place)
            known = span is not None and decode.is_operation(span)
            self._operations[key] = made = decode.operation(span) if span and known else None
            return made

    def _read(self, place: Place) -> Span | None:
        span = self.index.read(place)
        if span is None:
            self._unread.add(
                f"{self._directory / place.file}: cannot be read where it was before; "
                f"operation {place.trace_id}-{place.span_id} is missing here"
            )
        return span
