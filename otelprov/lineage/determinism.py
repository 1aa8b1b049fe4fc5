"""Steps that are not deterministic: one derivation, two contents.

A derivation id is a digest of an operation, its parameters and what it used. Where the same one was
made twice with different contents, something else had a part in it: chance, a clock, the order of a
set, a global variable, another version of a library beneath.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Final, Literal

from otelprov._record import record
from otelprov.journal import derivations
from otelprov.journal.derivations import Scope, Sighting, Stage, Totals
from otelprov.lineage.sources.journal import JournalSource
from otelprov.model import Artifact, Operation, Run

Verdict = Literal["differing", "none found", "nothing to compare"]
_SHOWN: Final = 5
"""Contents of one derivation, and makings of one content, that are told one by one."""
_WALKED: Final = 10_000
"""Derivations that are looked at on the way back from one that differs."""


@record
class Making:
    """One making of a content: the operation that made it, and when that was seen."""

    operation: Operation | None
    operation_id: str
    seen: int
    """Nanoseconds since the epoch."""
    run: Run | None = None


@record
class Content:
    """One of the contents that a derivation had."""

    id: str
    times: int
    """How often it was seen."""
    artifact: Artifact | None
    """What is known of it: rows, columns, bytes."""
    first: tuple[Making, ...]
    """The first times that it was seen."""
    files: tuple[str, ...] = ()
    """URIs of the files that were written with this content."""


@record
class Finding:
    """A derivation that had several contents."""

    id: str
    stage: Stage
    operation: Operation | None
    """The first operation that made it."""
    contents: tuple[Content, ...]
    """The first ones, oldest first."""
    several: int
    """How many there were."""
    proven: bool = False
    """Whether it differed although the contents of all that it used were the same."""
    causes: tuple[str, ...] = ()
    """The nearest derivations before it that had several contents too."""
    unseen: int = 0
    """Derivations before it whose contents are not known of all makings: it may begin there."""
    before: tuple[Operation, ...] = ()
    """The operations that made the nearest of these."""

    @property
    def root(self) -> bool:
        """Whether nothing before it explains it."""
        return self.proven or not self.causes


@record
class Report:
    """What was found, and what was looked at."""

    findings: tuple[Finding, ...]
    """Those that nothing before them explains first, each group oldest first."""
    totals: Totals

    @property
    def verdict(self) -> Verdict:
        """``none found`` says no more than that: of what was compared, all was the same."""
        if self.findings:
            return "differing"
        return "none found" if self.totals.compared else "nothing to compare"

    def after(self, cause: Finding) -> list[Finding]:
        """The findings that a cause explains, near and far, oldest first."""
        following: defaultdict[str, list[str]] = defaultdict(list)
        for one in self.findings:
            for before in () if one.root else one.causes:
                following[before].append(one.id)
        reached: set[str] = set()
        waiting = [cause.id]
        while waiting:
            for id_ in following[waiting.pop()]:
                if id_ not in reached:
                    reached.add(id_)
                    waiting.append(id_)
        return [one for one in self.findings if one.id in reached]


def check(
    source: JournalSource, scope: Scope, progress: Callable[[int, int], object] | None = None
) -> Report:
    """Look for derivations with several contents.

    ``progress`` is told how many of them have been looked into, and how many there are.

    Raises:
        SourceError: the journal cannot be read.
    """
    differing = list(derivations.differing(source.index, scope))
    look = _Look(source, scope, {artifact for artifact, _ in differing})
    findings = []
    for number, (artifact, stage) in enumerate(differing):
        findings.append(look.at(artifact, stage))
        if progress is not None:
            progress(number + 1, len(differing))
    findings.sort(key=lambda one: not one.root)
    return Report(tuple(findings), derivations.totals(source.index, scope))


class _Look:
    """A closer look at each derivation that differs."""

    def __init__(self, source: JournalSource, scope: Scope, differing: set[str]) -> None:
        self._source = source
        self._scope = scope
        self._back = _Back(source, differing)
        self._runs: dict[str, Run | None] = {}

    def at(self, artifact: str, stage: Stage) -> Finding:
        seen = derivations.sightings(self._source.index, artifact, stage, self._scope)
        by_content: defaultdict[str, list[Sighting]] = defaultdict(list)
        for one in seen:
            by_content[one.content].append(one)
        contents = tuple(
            self._content(artifact, id_, by_content[id_]) for id_ in list(by_content)[:_SHOWN]
        )
        first = next((making.operation for one in contents for making in one.first), None)
        causes, unseen = self._back.causes(artifact)
        return Finding(
            artifact,
            stage,
            first,
            contents,
            len(by_content),
            _proven(self._source, seen),
            causes,
            len(unseen),
            tuple(filter(None, map(self._maker, unseen[:_SHOWN]))),
        )

    def _maker(self, artifact: str) -> Operation | None:
        places = self._source.index.generating([artifact])[artifact]
        return self._source.operation(places[0].trace_id, places[0].span_id) if places else None

    def _content(self, artifact: str, content_id: str, found: list[Sighting]) -> Content:
        makings = tuple(self._making(one) for one in found[:_SHOWN])
        known = (
            usage.artifact
            for making in makings
            if making.operation is not None
            for usage in making.operation.generated
            if usage.artifact.id == artifact
        )
        files = self._files(content_id)
        return Content(content_id, len(found), next(known, None), makings, files)

    def _making(self, seen: Sighting) -> Making:
        operation = self._source.operation(*_split(seen.maker))
        run_id = operation.run if operation else None
        if run_id is not None and run_id not in self._runs:
            self._runs[run_id] = self._source.run(*_split(run_id))
        return Making(operation, seen.maker, seen.started, self._runs.get(run_id or ""))

    def _files(self, content_id: str) -> tuple[str, ...]:
        holding = [id_ for id_ in self._source.holding(content_id) if id_.startswith("file:")]
        uris = [
            usage.artifact.uri
            for id_, makers in self._source.producers(holding[:_SHOWN]).items()
            for operation in makers
            for usage in operation.generated
            if usage.artifact.id == id_ and usage.artifact.uri
        ]
        return tuple(dict.fromkeys(uris))


def _proven(source: JournalSource, seen: list[Sighting]) -> bool:
    """Whether two makings that used the same contents had different ones."""
    used = derivations.contents_used(source.index, [one.maker for one in seen])
    by_inputs: dict[frozenset[tuple[str, str]], str] = {}
    for one in seen:
        inputs = used[one.maker]
        if inputs is not None and by_inputs.setdefault(inputs, one.content) != one.content:
            return True
    return False


class _Back:
    """The way back from one derivation to others, as far as it may be the way that chance took."""

    def __init__(self, source: JournalSource, differing: set[str]) -> None:
        self._index = source.index
        self._differing = differing
        self._inputs: dict[str, list[str]] = {}
        self._settled: dict[str, bool] = {}

    def causes(self, artifact: str) -> tuple[tuple[str, ...], list[str]]:
        """The nearest ones before it that differ, and those between that are not known."""
        found: dict[str, None] = {}
        unseen: list[str] = []
        seen = {artifact}
        waiting = deque([artifact])
        while waiting and len(seen) < _WALKED:
            for before in self._before(waiting.popleft()):
                if before in seen:
                    continue
                seen.add(before)
                if before in self._differing:
                    found[before] = None
                elif not self._is_settled(before):
                    unseen.append(before)
                    waiting.append(before)
        return tuple(found), unseen

    def _before(self, artifact: str) -> list[str]:
        if artifact not in self._inputs:
            self._inputs[artifact] = derivations.inputs(self._index, artifact)
        return self._inputs[artifact]

    def _is_settled(self, artifact: str) -> bool:
        if artifact not in self._settled:
            self._settled[artifact] = derivations.settled(self._index, artifact)
        return self._settled[artifact]


def _split(operation_id: str) -> tuple[str, str]:
    trace_id, _, span_id = operation_id.partition("-")
    return trace_id, span_id
