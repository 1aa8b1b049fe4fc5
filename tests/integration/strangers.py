"""Programs as strangers write them, run under ``opentelemetry-instrument``, and what a person
derived from reading them: who used what, and which raw data each file goes back to.

A line of a program may end in ``# @name``: the operations of that line are then told apart by it,
``pandas.read_csv@orders``.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import support
from click.testing import CliRunner
from support import Recorded

from otelprov.cli import main


@dataclass
class Recording:
    """What was recorded of some programs that ran in a directory, one after the other."""

    directory: Path
    journal: Path
    labels: dict[tuple[str, int], str]
    outputs: list[str]

    @property
    def spans(self) -> list[Recorded]:
        return support.journal(self.journal)

    def graph(self) -> Counter[str]:
        """Every operation as a line like those of ``drawn``."""
        operations = [
            one for one in self.spans if one.attributes.get("otelprov.operation.kind") != "run"
        ]
        return Counter(
            _line(
                self._name(one) + "!" * bool(one.status.get("code")),
                [self._used(event, one, operations) for event in one.used],
                [self._place(event) or event["otelprov.artifact.role"] for event in one.generated],
            )
            for one in operations
        )

    def roots(self, target: str) -> set[str]:
        """The raw data that a file goes back to; ``?`` is what was not seen to be made."""
        found = self._lineage(target)
        places = {one["id"]: one["uri"] for one in found["artifacts"]}
        generated = [edge for edge in found["edges"] if edge["relation"] == "generated"]
        made = {(edge["to"], edge.get("uri", places[edge["to"]])) for edge in generated}
        known = {id_ for id_, _ in made}
        copies = {(edge["to"], edge["from"]) for edge in generated}
        copied = {  # a raw file of which a copy has the same id
            self._place_of(edge.get("uri", places[edge["from"]])) or "?"
            for edge in found["edges"]
            if (edge["from"], edge["to"]) in copies
            and (edge["from"], edge.get("uri", places[edge["from"]])) not in made
        }
        return copied | {
            self._place_of(one["uri"]) or one["name"] or "?"
            for one in found["artifacts"]
            if one["id"] not in known
        }

    def columns(self, target: str) -> set[str]:
        """The columns of raw data that a column goes back to; ``opaque`` if not all is known."""
        found = self._lineage(target)
        names = {
            one["id"]: self._place_of(one["uri"]) or one["name"] or "memory"
            for one in found["artifacts"]
        }
        ends = {(edge["to"]["artifact"], edge["to"]["column"]) for edge in found["edges"]}
        origins = {(one["from"]["artifact"], one["from"]["column"]) for one in found["edges"]}
        leaves = {f"{names[artifact]}#{column}" for artifact, column in origins - ends}
        return leaves | ({"opaque"} if found["opaque"] else set())

    def operations(self, target: str) -> set[str]:
        """The names of the operations that a file goes back through."""
        return {one["name"] for one in self._lineage(target)["operations"]}

    def gaps(self, target: str) -> list[str]:
        return [one["reason"] for one in self._lineage(target)["gaps"]]

    def _lineage(self, target: str) -> dict[str, Any]:
        answer = CliRunner().invoke(
            main,
            ["lineage", str(self.directory / target), "--format", "json"],
            env={"OTELPROV_JOURNAL": str(self.journal)},
        )
        assert answer.exit_code == 0, answer.output
        found: dict[str, Any] = json.loads(answer.stdout)
        return found

    def _name(self, span: Recorded) -> str:
        file = Path(str(span.attributes.get("code.file.path", ""))).name
        label = self.labels.get((file, span.attributes.get("code.line.number", 0)))
        return f"{span.name}@{label}" if label else span.name

    def _used(self, event: Mapping[str, Any], span: Recorded, operations: list[Recorded]) -> str:
        place = self._place(event)
        if place is not None:
            return place
        maker = event.get("otelprov.artifact.maker")
        makers = [
            one
            for one in operations
            if (
                f"{one.trace_id}-{one.span_id}" == maker
                if maker
                else event["otelprov.used.id"] in one.generated_ids and one.end <= span.end
            )
            and one != span
        ]
        if event.get("otelprov.artifact.origin") == "unknown" or not makers:
            return "?"
        return self._name(max(makers, key=lambda one: one.end))

    def _place(self, event: Mapping[str, Any]) -> str | None:
        found = self._place_of(event.get("otelprov.artifact.uri"))
        return found or event.get("otelprov.artifact.name")

    def _place_of(self, uri: str | None) -> str | None:
        if uri is None:
            return None
        if uri.startswith("file://"):
            path = Path(unquote(urlsplit(uri).path))
            inside = path.is_relative_to(self.directory)
            return str(path.relative_to(self.directory)) if inside else path.name
        return f"#{uri.partition('#')[2]}" if "#" in uri else uri


def drawn(text: str) -> Counter[str]:
    """A graph from lines such as ``pandas.merge@all: pandas.read_csv@a, b.csv -> return``."""
    found: Counter[str] = Counter()
    for line in textwrap.dedent(text).replace("\\\n", "").strip().splitlines():
        name, _, rest = line.partition(":")
        used, _, generated = rest.partition("->")
        found[_line(name, used.split(","), generated.split(","))] += 1
    return found


def _line(name: str, used: list[str], generated: list[str]) -> str:
    def several(names: list[str]) -> str:
        return ", ".join(sorted({one.strip() for one in names if one.strip()}))

    return f"{name.strip()}: {several(used)} -> {several(generated)}"


def record(
    directory: Path, *programs: str, modules: Mapping[str, str] | None = None, **env: str
) -> Recording:
    """Run programs in a directory, one after the other. None of them may say a word on stderr."""
    labels: dict[tuple[str, int], str] = {}
    sources = {f"program{number}.py": text for number, text in enumerate(programs)}
    for name, text in {**sources, **(modules or {})}.items():
        text = textwrap.dedent(text)
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
        for number, line in enumerate(text.splitlines(), 1):
            if found := re.search(r"# @(\w+)$", line):
                labels[Path(name).name, number] = found[1]
    journal = directory.parent / f"{directory.name}-journal"
    outputs = []
    for name in sources:
        result = support.instrumented(name, journal_directory=journal, cwd=directory, env=env)
        assert result.stderr == "", result.stderr
        outputs.append(result.stdout)
    return Recording(directory, journal, labels, outputs)
