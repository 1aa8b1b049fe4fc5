"""pandera: what is validated, by which schema, and which of its checks failed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from otelprov.artifacts.names import names_of
from otelprov.instrumentation._checks import Checking
from otelprov.instrumentation._table import Entry
from otelprov.recording import observation
from otelprov.recording.column_sources import ColumnSources, Origin
from otelprov.recording.parameters import Defaults
from otelprov.recording.plans import plans

ODDITIES: Final = (
    "validate of schemas and models is an operation of kind check, also where check_types, "
    "check_io, check_input, check_output or `pipe` call it, or the schema itself is called; a copy "
    "that it returns is made by it. Models that are called (`Model(frame)`) are not recorded.",
    "A LazyFrame is checked by its schema: its sources are not named, and what is returned has "
    "those of what was passed.",
    "Of a check that failed its name is recorded, and the column; of an exception the class, "
    "because its message quotes the data.",
)


class _Validated(Checking):
    """One call of ``validate``."""

    __slots__ = ()

    def _more(self, plain: dict[str, Any], given: list[str]) -> Defaults:
        schema: Any = self.target
        name = getattr(schema, "name", None) or getattr(schema, "__name__", None)
        if isinstance(name, str):
            plain["schema"] = name
            given.append("schema")
        return super()._more(plain, given)

    def found(self, result: Any) -> Sequence[str] | None:
        enabled = getattr(sys.modules.get("pandera.config"), "get_config_context", None)
        if enabled is not None and not enabled().validation_enabled:
            return None
        given = self.parameters.get("check_obj")
        if result is not given and observation.data_kind(result) is not None:
            self._come_from(lambda _: _kept(self.target, given, result))
            observation.output(self.operation, "return", result, by_content=False)
        elif observation.is_lazy(result):
            plan = plans.lookup(given)
            if plan is not None and plans.lookup(result) is None:
                plans.assign(result, plan)
        return ()

    def raised(self, error: BaseException) -> Sequence[str] | None:
        if type(error).__name__ == "SchemaErrors":
            return [_name(one) for one in getattr(error, "schema_errors", ())] or ["schema"]
        return [_name(error)] if type(error).__name__ == "SchemaError" else None


def _kept(schema: Any, given: object, result: object) -> ColumnSources | None:
    """Where the columns of what ``validate`` returns come from, if no function of the program's is
    given the whole table, and no row is dropped."""
    if isinstance(schema, type):
        schema = schema.to_schema()  # type: ignore[attr-defined]
    before, after = names_of(given), names_of(result)
    parts = getattr(schema, "columns", None)
    if before is None or after is None or not isinstance(parts, dict) or schema.parsers:
        return None
    if any(getattr(one, "drop_invalid_rows", False) for one in (schema, *parts.values())):
        return None
    changed = {name for name, one in parts.items() if schema.coerce or one.coerce or one.parsers}
    all_ = schema.coerce or any(parts[name].regex for name in changed)
    columns: dict[str, tuple[Origin, ...]] = {}
    for name in after.columns:
        if name not in before.columns:
            columns[name] = ()  # its default
        elif all_ or name in changed:
            columns[name] = (Origin(0, name, "transformation"),)
    return ColumnSources(columns, others=0)


def _name(error: Any) -> str:
    """``amount: greater_than``. The text of a check may quote values that it allows."""
    check = getattr(error, "check", None)
    name = getattr(check, "name", None)
    if not isinstance(name, str):
        reason = getattr(error, "reason_code", None)
        name = getattr(reason, "value", None) or "check"
    column = getattr(error, "column_name", None) or getattr(
        getattr(error, "schema", None), "name", None
    )
    return f"{column}: {name}" if isinstance(column, str) else name


_SHOWN: Final = ("schema", "head", "tail", "sample", "random_state", "lazy", "inplace")


def _schemas() -> Iterable[Entry]:
    yield _validate("DataFrameSchema")


def _series() -> Iterable[Entry]:
    yield _validate("SeriesSchema")


def _models() -> Iterable[Entry]:
    yield _validate("DataFrameModel")


def _validate(owner: str) -> Entry:
    path = f"{owner}.validate"
    return Entry(path, "check", "validate", observed=_Validated, shows=_SHOWN, handed=True)


TABLES = {
    "pandera.api.pandas.container": _schemas,
    "pandera.api.pandas.array": _series,
    "pandera.api.pandas.model": _models,
    "pandera.api.polars.container": _schemas,
    "pandera.api.dataframe.model": _models,
    "pandera.api.polars.model": _models,
}
