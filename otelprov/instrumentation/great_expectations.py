"""Great Expectations: which data is validated, and which expectations it does not meet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov.instrumentation._calls import Function
from otelprov.instrumentation._checks import Checking
from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import observation, places
from otelprov.recording.bounds import Reading
from otelprov.recording.recorder import OpenOperation, current_operation

ODDITIES: Final = (
    "Batch.validate, ValidationDefinition.run and Checkpoint.run are operations of kind check. "
    "They name the frame or the file that is validated; a table of a database is not named.",
    "An expectation that fails raises nothing: the operation has succeeded, and says what failed.",
    "Of an expectation its type and its column are recorded, never what was expected or found.",
)

_batches: WeakKeyDictionary[OpenOperation, list[Any]] = WeakKeyDictionary()
"""What was made ready to be validated inside an operation."""


def _preparing(original: Function) -> Function:
    """For ``Batch.__init__``."""

    def prepared(_: FrameType, __: object, batch: Any, *arguments: Any, **keywords: Any) -> None:
        operation = current_operation()
        if operation is not None:
            _batches.setdefault(operation, []).append(batch)

    return followed(original, prepared, "what is validated is not known")


class _Validated(Checking):
    """One call that validates."""

    __slots__ = ()

    def found(self, result: Any) -> Sequence[str] | None:
        batches = _batches.pop(self.operation, [])
        target: Any = self.target
        if self.site.entry.name == "Batch.validate":
            batches = [target]
        for batch in batches:
            self._use(batch)
        if getattr(result, "success", None) is None:
            return None
        names = [_name(one) for one in _expectations(result) if not one.success]
        return names or ([] if result.success else ["expectation"])

    def _use(self, batch: Any) -> None:
        path = _path(batch.batch_spec)
        if path is not None:
            places.read_from(self.operation, "batch", path, Reading(succeeded=True))
            return
        frame = getattr(batch.data, "dataframe", None)
        if observation.data_kind(frame) is not None:
            self.operation.use("batch", observation.identity_of(frame))


def _path(spec: Any) -> str | None:
    """The file that a batch is read of: of a directory, or by a function of pandas'."""
    if not isinstance(spec, dict):
        return None
    options = spec.get("reader_options")
    asked = (options.get(name) for name in _SOURCES) if isinstance(options, dict) else ()
    paths = [one for one in (spec.get("path"), *asked) if isinstance(one, (str, os.PathLike))]
    return os.fspath(paths[0]) if paths else None


_SOURCES: Final = ("filepath_or_buffer", "path", "io", "path_or_buf")
"""What pandas' readers call the file."""


def _expectations(result: Any) -> Iterator[Any]:
    """Of a checkpoint, a suite, or one expectation."""
    several = getattr(result, "run_results", None)
    if isinstance(several, dict):
        for one in several.values():
            yield from _expectations(one)
    elif isinstance(getattr(result, "results", None), list):
        yield from result.results
    else:
        yield result


def _name(result: Any) -> str:
    """``amount: expect_column_values_to_not_be_null``."""
    expectation = result.expectation_config
    columns = [
        value
        for name, value in expectation.kwargs.items()
        if name in ("column", "column_A", "column_B") and isinstance(value, str)
    ]
    return f"{', '.join(columns)}: {expectation.type}" if columns else str(expectation.type)


def _check(path: str, name: str) -> Entry:
    return Entry(path, "check", name, observed=_Validated, shows=("checkpoint_id",))


def _interfaces() -> Iterable[Entry]:
    yield step("Batch.__init__", around=_preparing)
    yield _check("Batch.validate", "Batch.validate")


def _definitions() -> Iterable[Entry]:
    yield _check("ValidationDefinition.run", "ValidationDefinition.run")


def _checkpoints() -> Iterable[Entry]:
    yield _check("Checkpoint.run", "Checkpoint.run")


TABLES = {
    "great_expectations.datasource.fluent.interfaces": _interfaces,
    "great_expectations.core.validation_definition": _definitions,
    "great_expectations.checkpoint.checkpoint": _checkpoints,
}
