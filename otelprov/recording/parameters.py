"""The parameters of a call: how they are shown on its span, and what stands for them in ids."""

from __future__ import annotations

import enum
import types
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from itertools import count
from typing import Any, Final

from otelprov import semconv
from otelprov._record import record
from otelprov.artifacts import digest_value
from otelprov.journal.lines import Part
from otelprov.model import ParameterValue
from otelprov.recording.measures import measures
from otelprov.recording.policy import bound_values, parameter_value
from otelprov.redaction import is_secret_name

MAX_PARAMETERS: Final = 90
"""The SDK's default is 128 attributes. What is left out is counted on the span."""
_MAX_CACHED: Final = 64
"""Characters of a text that is looked at once and not at each call."""


@record
class Shown:
    """Parameters as they are written down."""

    parts: tuple[Part, ...]
    digests: tuple[tuple[str, bytes | None], ...]
    """What stands for each in a derivation id."""
    containers: tuple[tuple[str, object, bytes | None, ParameterValue | None], ...] = ()
    """The dicts, lists, tuples and sets, which may be data: name, value, digest, how it is shown
    (None where it is not)."""


_numbers: Final = count()


class Defaults:
    """The default values of a function's parameters, looked at once."""

    __slots__ = ("_joined", "_known", "number", "values")

    def __init__(self, values: Mapping[str, object]) -> None:
        """Of ``values`` those are kept that cannot change."""
        self.values = {name: value for name, value in values.items() if _is_constant(value)}
        self.number: Final = next(_numbers)
        """Stands for these where they are not to be held: they may be of the program's own."""
        self._known: dict[tuple[int, tuple[str, ...]], Shown] = {}
        self._joined: dict[int, Defaults] = {}

    @property
    def are_plain(self) -> bool:
        """Whether none of them can hold something of the program's: a function, a class."""
        return all(map(is_plain, self.values.values()))

    def joined(self, others: Defaults) -> Defaults:
        """These, and the others of other names."""
        found = self._joined.get(others.number)
        if found is None:
            if len(self._joined) >= 256:
                self._joined.clear()
            found = Defaults({**others.values, **self.values})
            if found.are_plain:
                self._joined[others.number] = found
        return found

    def shown(self, names: tuple[str, ...], length: int) -> Shown:
        """Those of ``names``, which are among ``values``."""
        key = (length, names)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= 256:  # of a function with many parameters
                self._known.clear()
            pairs = {name: _looked_at(name, self.values[name], length) for name in names}
            found = self._known[key] = Shown(
                (
                    Part(
                        {semconv.PARAMETER_PREFIX + name: text for name, (text, _) in pairs.items()}
                    ),
                ),
                tuple((name, digest) for name, (_, digest) in pairs.items()),
            )
        return found


def show(
    parameters: Mapping[str, object],
    given: Iterable[str],
    length: int,
    defaults: Defaults | None = None,
) -> Shown:
    """``given`` names those that the caller passed; texts are cut at ``length`` characters.

    ``defaults`` are those of the function: of what is left at its default nothing is looked at.
    """
    if len(parameters) > _MAX_REMEMBERED:
        return _show(parameters, given, length, defaults)
    kinds = []
    for value in parameters.values():
        kind = type(value)
        if kind is str:
            if len(value) > _MAX_CACHED:  # type: ignore[arg-type]
                return _show(parameters, given, length, defaults)
        elif kind is int:
            if not -(2**63) <= value < 2**63:  # type: ignore[operator]
                return _show(parameters, given, length, defaults)
        elif value is not None and kind is not bool:
            # 0.0 == -0.0: equal floats are not always the same.
            return _show(parameters, given, length, defaults)
        kinds.append(kind)  # True == 1
    # A call in a loop has the same few names and numbers each time: 1 µs in place of 8, and what
    # is written of them is encoded once.
    given = tuple(given)
    of = None if defaults is None else defaults.number
    key = (tuple(parameters.items()), tuple(kinds), given, length, of)
    found = _remembered.get(key)
    if found is None:
        if len(_remembered) >= 1024:
            _remembered.clear()
        found = _remembered[key] = _show(parameters, given, length, defaults)
    return found


_MAX_REMEMBERED: Final = 16
"""Parameters of a call that is looked at once."""
_remembered: dict[object, Shown] = {}


def _show(
    parameters: Mapping[str, object],
    given: Iterable[str],
    length: int,
    defaults: Defaults | None,
) -> Shown:
    names = [name for name in given if name in parameters]
    attributes: dict[str, Any] = {}
    digests: list[tuple[str, bytes | None]] = []
    containers: list[tuple[str, object, bytes | None, ParameterValue | None]] = []
    constant: Shown | None = None
    own: Collection[tuple[str, object]] = parameters.items()
    if defaults is not None and len(parameters) <= MAX_PARAMETERS:
        values = defaults.values
        left = tuple([name for name, value in own if value is values.get(name, _NOT_THERE)])
        if left:
            constant = defaults.shown(left, length)
            own = [pair for pair in own if pair[1] is not values.get(pair[0], _NOT_THERE)]
    for name, value in own:
        text: ParameterValue | None
        text, digest = _looked_at(name, value, length)
        if name == "params" and "sql" in parameters:
            text = bound_values(value) or text
        if len(attributes) < MAX_PARAMETERS:
            attributes[semconv.PARAMETER_PREFIX + name] = text
        else:
            attributes[semconv.DROPPED_PARAMETERS] = len(parameters) - MAX_PARAMETERS
            measures.drop({semconv.DROPPED_PARAMETERS: 1})
            text = None
        digests.append((name, digest))
        if isinstance(value, _CONTAINERS) and _is_filled(value):
            containers.append((name, value, digest, text))
    attributes[semconv.PARAMETERS_GIVEN] = names
    part = Part(attributes)
    if constant is None:
        return Shown((part,), tuple(digests), tuple(containers))
    return Shown((part, *constant.parts), (*digests, *constant.digests), tuple(containers))


_CONTAINERS: Final[tuple[Any, ...]] = (dict, list, tuple, set, frozenset)


def _is_filled(value: Any) -> bool:
    """Not ``bool(value)``: a sparse array of SciPy (``dok_array``) is a dict, and has no truth."""
    return any(kind.__len__(value) for kind in _CONTAINERS if isinstance(value, kind))


_NOT_THERE: Final = object()
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})


def _is_constant(value: object) -> bool:
    if type(value) is tuple:
        return all(map(_is_constant, value))
    return (
        type(value) in _PLAIN
        or type(value) in (types.FunctionType, type)
        or isinstance(value, enum.Enum)
    )


def is_plain(value: object) -> bool:
    """Whether a value is a name, a number or several of these, and holds nothing else."""
    if type(value) is tuple:
        return all(map(is_plain, value))
    return type(value) in _PLAIN


def _looked_at(name: str, value: Any, length: int) -> tuple[ParameterValue, bytes | None]:
    """How a parameter is shown, and its digest."""
    kind: Any = type(value)
    if (
        value is None
        or kind is bool
        or (kind is int and -(2**63) <= value < 2**63)
        or (kind is str and len(value) <= _MAX_CACHED and not is_secret_name(name))
    ):
        return _looked_at_once(name, kind, value, length)
    return parameter_value(name, value, length), digest_value(value)


@lru_cache(maxsize=4096)
def _looked_at_once(
    name: str, kind: object, value: Any, length: int
) -> tuple[ParameterValue, bytes | None]:
    # True == 1: the type is part of the key.
    return parameter_value(name, value, length), digest_value(value)


# --- names of columns -----------------------------------------------------------------------------

_NAMING: Final = frozenset(
    "columns column subset id_vars value_vars usecols names dtype dtypes schema schema_overrides "
    "by on left_on right_on left_by right_by keys func aggfunc aggs converters parse_dates "
    "index_col index_label header mapping mapper exprs more_exprs aggregates sorting stubnames "
    "feature_name feature_names categorical_feature".split()
)
_NAMING_IN: Final = {
    "values": ("pivot", "pivot_table"),
    "index": ("pivot", "pivot_table"),
    "items": ("filter",),
}
"""Those that do in some operations only."""


def names_columns(operation: str, name: str, parameters: Mapping[str, object]) -> bool:
    """Whether a parameter names columns, or says by their names what becomes of each: however many
    they are, that is no data."""
    if name in _NAMING or operation in _NAMING_IN.get(name, ()):
        return True
    if name == "labels":
        return parameters.get("axis") in (1, "columns")
    if name == "value":
        return operation == "setattr" and parameters.get("name") == "columns"
    value = parameters.get(name)
    return name == "key" and type(value) is list and all(type(one) is str for one in value)


# --- functions -----------------------------------------------------------------------------------

_MAX_FUNCTIONS: Final = 4096
_TEXTS_AND_NUMBERS: Final = frozenset({type(None), bool, int, float, str, bytes})
_functions: dict[tuple[object, ...], tuple[types.CodeType, object, bytes | None]] = {}


def digest_of(function: types.FunctionType) -> bytes | None:
    """``digest_value`` of a function of the user's: 38 µs, and once where nothing can change."""
    code, defaults, module = function.__code__, function.__defaults__, function.__module__
    if (
        function.__closure__
        or function.__kwdefaults__
        or not (module is None or isinstance(module, str))
        or not all(type(value) in _TEXTS_AND_NUMBERS for value in defaults or ())
    ):
        return digest_value(function)
    key = (id(code), id(defaults), module, function.__qualname__)
    found = _functions.get(key)
    if found is None:
        if len(_functions) >= _MAX_FUNCTIONS:  # a program that makes functions as it goes
            _functions.clear()
        found = _functions[key] = (code, defaults, digest_value(function))  # held as well
    return found[2]
