"""Columns of which only the call itself sees where they come from: what is put side by side
(``DataFrame({"a": one, "b": other})``, ``concat([one, other], axis=1)``), set where a condition
holds (``df.loc[mask, "a"] = one``), or piped through a function.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import CellType, CodeType, FunctionType
from typing import Any, Final

from otelprov.artifacts.deferred import Source, settled
from otelprov.artifacts.names import names_of
from otelprov.artifacts.registry import WHOLE, Identity, registry
from otelprov.instrumentation._calls import Observed, changed_by
from otelprov.recording import faults, observation
from otelprov.recording.column_sources import ColumnSources, Origin
from otelprov.recording.recorder import current_operation

_DICTS: Final = frozenset({dict, OrderedDict, defaultdict})
"""No method of a class of the program's own is called."""
_DATA: Final = "data."
"""Before the name of a column, where that is a role or a parameter."""


def holds_known_columns(parameters: Mapping[str, Any], _: object) -> bool:
    """``DataFrame({"a": df["x"]})``, not ``DataFrame({"a": [1, 2]})``."""
    data: Any = parameters.get("data")
    return (
        type(data) in _DICTS
        and all(type(label) in (str, int) for label in data)
        and any(
            observation.known_inputs((value,)) or observation.known_contents((value,))
            for value in data.values()
        )
    )


class _Seen(Observed):
    """A call that sees where the columns come from of what it makes."""

    __slots__ = ("_given",)

    def _inputs(self) -> tuple[list[tuple[str, Identity]], set[str]]:
        found, names = super()._inputs()
        self._given = found
        return found, names

    def _identity(self, role: str, value: object) -> Identity | None:
        """What a parameter is: unknown arrays were looked at, and need not be again."""
        return registry.lookup(value) or next((one for at, one in self._given if at == role), None)

    def _contents(self, role: str) -> list[Source]:
        """What was used of a list or dict."""
        return [source for used_as, source in self.operation.used_as() if used_as == role]

    def _made(self, result: object) -> None:
        made = result if self.site.entry.in_place == "never" else changed_by(self.target)
        with faults.contained(f"where the columns of {self.site.name} come from is not known"):
            found = self._column_sources(made)
            if found is not None:
                self.operation.come_from(found)
        super()._made(result)

    def _column_sources(self, made: Any) -> ColumnSources | None:
        raise NotImplementedError


class Frame(_Seen):
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
        self._given = found
        return found, names | (self.parameters.keys() - made.keys())

    def _more(self, plain: dict[str, Any], given: list[str]) -> Any:
        given[:] = [name for name in (*self._columns, *given) if name != "data"]
        return super()._more(plain, given)

    def _column_sources(self, made: Any) -> ColumnSources | None:
        noted = _Noted()
        for role, value in self._columns.items():
            noted.add(role.removeprefix(_DATA), noted.given(self, role, value))
        noted.add_levels(made, self._columns.values())
        return noted.found


class Concatenated(_Seen):
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
            noted.add(name, noted.of_column(registry.lookup(one), one, place))
        noted.add_levels(made, tables)
        return noted.found


class Piped(_Seen):
    """``pipe``: what the function has returned may be known already."""

    __slots__ = ()

    def _column_sources(self, made: Any) -> ColumnSources | None:
        identity, names = registry.lookup(made), names_of(made)
        if identity is None or names is None:
            return None
        noted = _Noted()
        if identity.is_table:
            noted.others(identity.sources[0])
            return noted.found
        for place, name in enumerate(names.columns):
            noted.add(name, noted.of_column(identity, made, place))
        noted.add_levels(made, [made])
        return noted.found


_assigning: Final[dict[int, dict[str, Identity | None]]] = {}
"""By ``id`` of an operation that calls functions for columns: what these have returned so far."""


def set_inside(arguments: tuple[Any, ...]) -> None:
    """pandas sets a column itself: in ``assign``, to what a function has returned."""
    if _assigning and len(arguments) == 3 and type(arguments[1]) is str:
        found = _assigning.get(id(current_operation()))
        if found is not None:
            value = arguments[2]
            found[arguments[1]] = registry.lookup(value) if _width(value) == 1 else None


class Assigned(_Seen):
    """``assign``: a function may use all that the call has used, where it is not seen which columns
    it has computed its own of; a text may be its name."""

    __slots__ = ("_returned",)

    def __init__(self, *call: Any) -> None:
        super().__init__(*call)
        self._returned: dict[str, Identity | None] = {}
        if any(map(callable, self.parameters.values())):
            _assigning[id(self.operation)] = self._returned

    def close(self, error: BaseException | None = None) -> None:
        _assigning.pop(id(self.operation), None)
        super().close(error)

    def _column_sources(self, made: Any) -> ColumnSources | None:
        identity, names = registry.lookup(self.target), names_of(self.target)
        if identity is None or names is None:
            return None
        if identity.is_table and not any(map(callable, self.parameters.values())):
            return None  # what was used, and as what, says all
        noted = _Noted()
        if identity.is_table:
            noted.others(identity.sources[0])
        for place, name in enumerate(names.columns):
            if not identity.is_table and name not in self.parameters:
                noted.add(name, noted.of_column(identity, self.target, place))
        for name, value in self.parameters.items():
            if callable(value):
                noted.add(name, self._computed(noted, name))
            else:
                noted.add(name, noted.given(self, name, value))
        if not identity.is_table:
            noted.add_levels(made, [self.target])
        return noted.found

    def _computed(self, noted: _Noted, name: str) -> list[Origin]:
        """What the function for a column has computed it of. It may have been given columns that
        were set before it."""
        identity = self._returned.get(name)
        found: list[Origin] = []
        every = [noted.any_of(one) for one in self.operation.used_so_far()]
        if identity is None:
            return every
        for origin in noted.of_column(identity, None, 0):
            if origin.column is None:
                return every
            before = noted.found.columns.get(origin.column)
            if before is None or origin.column not in self.parameters:
                found.append(origin)
            elif any(one.how == "opaque" for one in before):
                return every
            else:
                found += before
        return found


class Applied(_Seen):
    """``apply`` and its like: a function that names the very table may use all of it, though it is
    given one column or cell after the other."""

    __slots__ = ()

    def _column_sources(self, made: Any) -> ColumnSources | None:
        functions = [one for value in self.parameters.values() for one in _functions(value)]
        if not functions:
            return None
        own = {_id(source) for source in self.operation.used_so_far()}
        names = names_of(made)
        if names is None or not any(_names_some(one, own, 0) for one in functions):
            return None
        noted = _Noted()
        for name in (*names.columns, *names.index):
            if name is not None:
                noted.add(name, map(noted.any_of, self.operation.used_so_far()))
        return noted.found


def _functions(value: Any) -> list[Any]:
    """The functions that a parameter is, or holds: ``agg({"a": own})``."""
    if isinstance(value, dict):
        return [*filter(callable, value.values())]
    if isinstance(value, (list, tuple)):
        return [*filter(callable, value)]
    return [value] if callable(value) else []


def _id(source: Source) -> object:
    source = settled(source)
    return getattr(source, "id", source)


def _names_some(function: Any, sources: set[object], depth: int) -> bool:
    """Whether a function names an object that comes from one of these, itself or in a function of
    the program's that it calls."""
    given: tuple[object, ...] = ()
    if type(function) is partial:
        given, function = (*function.args, *function.keywords.values()), function.func
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if type(code) is not CodeType or depth == MAX_CALLS:
        return False
    cells = [_content(cell) for cell in function.__closure__ or ()]
    known = function.__globals__
    given += (*cells, *(function.__defaults__ or ()), *(known.get(n) for n in _names(code)))
    for value in given:
        identity = registry.lookup(value)
        if identity is not None and any(_id(one) in sources for one in identity.sources):
            return True
        if type(value) is FunctionType and _names_some(value, sources, depth + 1):
            return True
    return False


MAX_CALLS: Final = 3


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing is in it yet
        return None


def _names(code: CodeType) -> Iterator[str]:
    """The names in a piece of code, and in those within it."""
    yield from code.co_names
    for one in code.co_consts:
        if type(one) is CodeType:
            yield from _names(one)


class CellsSet(_Seen):
    """``df.loc[rows, columns] = value``: other columns are what they were."""

    __slots__ = ()

    def _column_sources(self, made: Any) -> ColumnSources | None:
        key, value = self.parameters.get("key"), self.parameters.get("value")
        before = registry.lookup(made)
        source = settled(before.sources[0]) if before is not None and before.is_table else None
        old = getattr(source, "names", None)
        if source is None or old is None or getattr(self.target, "name", None) != "loc":
            return None
        if not isinstance(key, tuple) or len(key) != 2:
            return None
        rows, labels = key[0], [key[1]] if type(key[1]) is str else key[1]
        if type(labels) is not list or any(type(label) is not str for label in labels):
            return None
        noted = _Noted()
        noted.others(source)
        for place, label in enumerate(labels):
            own = [noted.same(source, label)] if label in old.columns else []
            noted.add(label, [*own, *noted.given(self, "value", value, place, len(labels))])
        if observation.data_kind(rows) is not None:
            noted.choose(self._identity("key", rows), rows)
        return noted.found


def _width(table: Any) -> int:
    shape = getattr(table, "shape", None)
    return int(shape[1]) if type(shape) is tuple and len(shape) > 1 else 1


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

    def others(self, source: Source) -> None:
        """All other columns are those of an artifact."""
        self.found.others = self._number(source)

    def choose(self, identity: Identity | None, table: Any) -> None:
        """What decided which rows."""
        self.found.rows = tuple(
            one if one.how == "opaque" else replace(one, how="filter")
            for one in self.of_column(identity, table, 0)
        )

    def any_of(self, source: Source) -> Origin:
        """Of something whose columns are not told apart."""
        return Origin(self._number(source), None, "opaque")

    def same(self, source: Source, name: str) -> Origin:
        """Of a column as it is."""
        return Origin(self._number(source), name, "identity")

    def given(
        self, call: _Seen, role: str, value: Any, place: int = 0, width: int = 1
    ) -> Iterable[Origin]:
        """Of a parameter, of which each of several columns may be given a part."""
        if observation.data_kind(value) is None:  # a list, of which some may be known
            return map(self.any_of, call._contents(role))
        identity = call._identity(role, value)
        if _width(value) not in (1, width):
            return map(self.any_of, identity.sources if identity is not None else ())
        return self.of_column(identity, value, min(place, _width(value) - 1))

    def of_column(self, identity: Identity | None, table: Any, place: int) -> Iterator[Origin]:
        """Of a column of a table, or of an array."""
        for number, source in enumerate(identity.sources if identity is not None else ()):
            assert identity is not None
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
                    yield self.same(source, names[place] or "")
                else:
                    yield self.any_of(source)

    def _level(self, table: Any, level: str) -> Iterator[Origin]:
        names = names_of(table)
        identity = registry.lookup(table)
        if names is None or identity is None or level not in names.index:
            return
        for source in identity.sources:
            if identity.is_selection:
                yield self.same(source, level)
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
