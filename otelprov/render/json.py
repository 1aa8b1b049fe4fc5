"""A lineage as JSON: a contract, described in docs/lineage-json.md."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from otelprov.lineage.graph import Gap, Lineage, elsewhere
from otelprov.model import Artifact, Check, Operation, ParameterValue
from otelprov.render.words import iso

SCHEMA: Final = "otelprov.lineage/1"


def to_json(lineage: Lineage) -> str:
    """The JSON text, indented, with a newline at its end."""
    return dump(to_dict(lineage))


def dump(content: Any) -> str:
    """JSON text that can always be written as UTF-8."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # Half a surrogate pair (a file name that is not UTF-8) becomes the escape that JSON has for it.
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def to_dict(lineage: Lineage) -> dict[str, Any]:
    """The same as Python objects."""
    places = elsewhere(lineage)
    return {
        "schema": SCHEMA,
        "target": lineage.target,
        "artifacts": [_artifact(one) for one in lineage.artifacts],
        "operations": [operation_dict(one) for one in lineage.operations],
        "edges": [
            {
                "from": edge.source,
                "to": edge.target,
                "relation": edge.relation,
                **({"uri": places[edge].uri} if edge in places else {}),
            }
            for edge in lineage.edges
        ],
        "gaps": [_gap(one) for one in lineage.gaps],
        "checks": [
            {"artifact": id_, "operation": operation_dict(one)}
            for id_, several in lineage.checks.items()
            for one in several
        ],
    }


def _artifact(artifact: Artifact) -> dict[str, Any]:
    return {
        "id": artifact.id,
        "kind": artifact.kind,
        "name": artifact.name,
        "uri": artifact.uri,
        "rows": artifact.rows,
        "columns": artifact.columns,
        "bytes": artifact.bytes,
        "coverage": artifact.coverage,
        "version": artifact.version,
        "schema": artifact.schema_id,
    }


def operation_dict(operation: Operation) -> dict[str, Any]:
    """One operation, as docs/lineage-json.md describes it."""
    code = operation.code
    several = {"calls": operation.calls} if operation.calls > 1 else {}
    return {
        "id": operation.id,
        "name": operation.name,
        "kind": operation.kind,
        "status": operation.status,
        "start": iso(operation.start),
        "end": None if operation.status == "unknown" else iso(operation.end),
        "run": operation.run,
        "service": operation.service,
        **several,
        **({"check": _check(operation.check)} if operation.check is not None else {}),
        "code": {
            "revision": code.revision,
            "branch": code.branch,
            "dirty": code.dirty,
            "function": code.function,
            "file": code.file,
            "line": code.line,
        },
        "parameters": {name: _value(value) for name, value in sorted(operation.parameters.items())},
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "outcome": "passed" if check.passed else "failed",
        "failures": check.failures,
        "failed": list(check.failed),
    }


def _gap(gap: Gap) -> dict[str, Any]:
    place = {"artifact": gap.artifact} if gap.artifact else {"operation": gap.operation}
    return {**place, "reason": gap.reason}


def _value(value: ParameterValue) -> ParameterValue:
    # JSON has no NaN and no infinity.
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
