"""Tables that are put together of columns: ``DataFrame({"a": one, "b": other})`` and
``concat([one, other], axis=1)``. Only the call itself sees which column was given what.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from otelprov.artifacts.deferred import Source, settled
from otelprov.artifacts.names import names_of
from otelprov.artifacts.registry import WHOLE, Identity, registry
from otelprov.instrumentation._calls import Observed
from otelprov.recording import faults, observation
from otelprov.recording.column_sources import ColumnSources, Origin

_DATA = "data."
"""Before the name of a column, where that is a role or a parameter."""


def holds_known_columns(parameters: Mapping[str, Any], _: object) -> bool:
    """``DataFrame({"a": df["x"]})``, not ``DataFrame({"a": [1, 2]})``."""
    data = parameters.get("data")
    return (
        isinstance(data, dict)
        and all(type(label) in (str, int) for label in data)
        and any(
            observation.known_inputs((value,)) or observation.known_contents((value,))
            for value in data.values()
        )
    )


class _Beside(Observed):
    """A call that puts columns side by side."""

    __slots__ = ()

    def _made(self, result: object) -> None:
        made = self.target if self.site.attribute == "__init__" else result
        with faults.contained(f"where the columns of {self.site.name} come from is not known"):
            found = self._column_sources(made)
            if found is not None:
                self.operation.come_from(found)
        super()._made(result)

    def _column_sources(self, made: Any) -> ColumnSources | None:
        raise NotImplementedError


class Frame(_Beside):
    """``DataFrame({…})``: each column is a parameter of its own."""

    __slots__ = ("_columns",)

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        data = self.parameters.pop("data")
        self._columns = {f"{_DATA}{label}": value for label, value in data.items()}
        self.parameters.update(self._columns)
        # Dates, say, that the program counts: they are labels.
        made = {
            name: value
            for name, value in self.parameters.items()
            if not (observation.is_label(value) and registry.lookup(value) is None)
        }
        found, names = observation.inputs(made, few=True)
        return found, names | (self.parameters.keys() - made.keys())

    def _more(self, plain: dict[str, Any], given: list[str]) -> Any:
        given[:] = [name for name in (*self._columns, *given) if name != "data"]
        return super()._more(plain, given)

    def _column_sources(self, made: Any) -> ColumnSources | None:
        noted = _Noted()
        contents: dict[str, list[Source]] = {}
        for role, source in self.operation.used_as():
            contents.setdefault(role, []).append(source)
        for role, value in self._columns.items():
            if observation.data_kind(value) is None:  # a list, of which some may be known
                origins = [noted.any_of(one) for one in contents.get(role, ())]
                noted.add(role.removeprefix(_DATA), origins)
            else:
                noted.add(role.removeprefix(_DATA), noted.of_column(value, 0))
        noted.add_levels(made, self._columns.values())
        return noted.found


class Concatenated(_Beside):
    """``concat([…], axis=1)``; other axes are what their names say."""

    __slots__ = ()

    def _column_sources(self, made: Any) -> ColumnSources | None:
        objects = self.parameters.get("objs")
        names = names_of(made)
        if self.parameters.get("axis") not in (1, "columns") or names is None:
            return None
        if isinstance(objects, dict):
            objects = list(objects.values())
        if not isinstance(objects, (list, tuple)):
            return None
        noted = _Noted()
        tables = [one for one in objects if one is not None]
        places = [(one, place) for one in tables for place in range(_width(one))]
        if len(places) != len(names.columns):
            return None
        for name, (one, place) in zip(names.columns, places, strict=True):
            noted.add(name, noted.of_column(one, place))
        noted.add_levels(made, tables)
        return noted.found


def _width(table: Any) -> int:
    return table.shape[1] if table.ndim == 2 else 1


class _Noted:
    """Where columns come from, as far as it was seen."""

    def __init__(self) -> None:
        self.found = ColumnSources({})
        self._numbers: dict[object, int] = {}

    def add(self, name: str, origins: Iterable[Origin]) -> None:
        """A column; another of the same name may be there already."""
        columns = self.found.columns
        columns[name] = tuple(dict.fromkeys((*columns.get(name, ()), *origins)))
        if any(one.how == "opaque" for one in columns[name]):
            self.found.opaque |= {name}

    def add_levels(self, made: Any, tables: Iterable[Any]) -> None:
        """The levels of an index are those of the same name of the tables that have it."""
        names = names_of(made)
        for level in names.index if names is not None else ():
            if level is not None and level not in self.found.columns:
                origins = [one for table in tables for one in self._level(table, level)]
                if origins:
                    self.add(level, origins)

    def any_of(self, source: Source) -> Origin:
        """Of something whose columns are not told apart."""
        return Origin(self._number(source), None, "opaque")

    def of_column(self, table: Any, place: int) -> Iterator[Origin]:
        """Of a column of a table, or of an array."""
        identity = observation.identity_of(table)
        for number, source in enumerate(identity.sources):
            taken = WHOLE if identity.is_table else None
            if taken is None and identity.columns:
                taken = identity.columns[number]
            if taken is None:
                yield self.any_of(source)
            elif taken[0] is not None:
                how = "transformation" if _width(table) == 1 else "opaque"
                yield from (Origin(self._number(source), name, how) for name in taken)
            else:
                names = taken[1:] or _columns_of(source, table)
                if len(names) == _width(table):
                    yield Origin(self._number(source), names[place], "identity")
                else:
                    yield self.any_of(source)

    def _level(self, table: Any, level: str) -> Iterator[Origin]:
        names = names_of(table)
        identity = registry.lookup(table)
        if names is None or identity is None or level not in names.index:
            return
        for source in identity.sources:
            if identity.is_selection:
                yield Origin(self._number(source), level, "identity")
            else:
                yield self.any_of(source)

    def _number(self, source: Source) -> int:
        source = settled(source)
        key = getattr(source, "id", source)
        if key not in self._numbers:
            self._numbers[key] = len(self.found.used)
            self.found.used.append([source])
        return self._numbers[key]


def _columns_of(source: Source, table: Any) -> tuple[str, ...]:
    """What the columns of an artifact were called when it was made."""
    names = getattr(settled(source), "names", None) or names_of(table)
    return () if names is None else names.columns
