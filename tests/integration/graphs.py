"""A recorded graph in the words in which a person would write it down."""

from __future__ import annotations

from typing import Any

from support import Recorded, Spans

OUTCOME = "otelprov.transaction.outcome"


def graph(spans: list[Recorded]) -> list[tuple[str, frozenset[str], frozenset[str]]]:
    """Every operation in the order of its start: name, what it used, what it generated.

    What was used is named by the operation that made it last, a file by its own name; data of
    unknown origin is ``?``. What was generated is named by its role, a file by its own name.
    """
    operations = [span for span in spans if span.attributes.get("otelprov.operation.kind") != "run"]
    return [
        (
            span.name,
            frozenset(_used(event, span, operations) for event in span.used),
            frozenset(
                event.get("otelprov.artifact.name") or event["otelprov.artifact.role"]
                for event in span.generated
            ),
        )
        for span in operations
    ]


def _used(event: dict[str, Any], span: Recorded, operations: list[Recorded]) -> str:
    if event.get("otelprov.artifact.name"):
        return str(event["otelprov.artifact.name"])
    makers = [
        one
        for one in operations
        if event["otelprov.used.id"] in one.generated_ids and one.end <= span.end and one != span
    ]
    if makers:
        return max(makers, key=lambda one: one.end).name
    return "?" if event.get("otelprov.artifact.origin") == "unknown" else "nothing known"


def expected(text: str) -> list[tuple[str, frozenset[str], frozenset[str]]]:
    """The same from lines such as ``pandas.merge: a, b -> return``."""
    found = []
    for line in text.strip().splitlines():
        name, _, rest = line.strip().partition(": ")
        used, _, generated = rest.partition("->")
        found.append((name, _names(used), _names(generated)))
    return found


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def outcomes(spans: Spans, operation: str) -> list[tuple[bool, str]]:
    """Of each statement of a kind: whether it generated a table, and why not."""
    return [
        (
            any("otelprov.artifact.name" in one for one in span.generated),
            str(span.attributes.get(OUTCOME, "")),
        )
        for span in spans.all()
        if span.attributes.get("db.operation.name") == operation
    ]
