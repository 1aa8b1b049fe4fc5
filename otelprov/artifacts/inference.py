"""The Arrow array of a column of Python objects, the same in all versions of pyarrow (section 7.3).

What pyarrow infers is part of the ids, and it changed: since version 24 the fields of a struct are
in the order in which the keys were seen first, before that they are sorted; and UUIDs are an
extension type, before that an error. In all versions (14 to 26) a number after a date or a time is
one too: 3 is a time on the first day of 1970, and so is 3.9.
"""

from __future__ import annotations

import decimal
import uuid
from functools import lru_cache
from typing import Any, Final

_NUMBERS: Final = (int, float, decimal.Decimal)
"""Numbers that may become times. Those of NumPy are an error beside times already."""


def inferred(values: Any) -> Any:
    """The ``pyarrow.Array`` of a NumPy vector of objects, with None, NaN, NaT and NA as null.

    UUIDs inside lists and dictionaries are an error before pyarrow 24.

    Raises:
        TypeError: for numbers beside dates and times.
        pyarrow.ArrowException: and others, for cells that no Arrow array holds.
    """
    import pyarrow as pa

    try:
        array = pa.array(values, from_pandas=True)
    except pa.ArrowInvalid:
        if not all(_is_uuid_or_missing(value) for value in values):
            raise
        return _uuids(values)
    if not _times_alone(array.type, values):
        raise TypeError("numbers beside dates or times")
    if "struct<" in str(array.type) and _sorts_fields():
        type_ = _as_seen(array.type, values.tolist())
        if type_ != array.type:
            array = pa.array(values, type_, from_pandas=True)
    return array


def _times_alone(type_: Any, values: Any) -> bool:
    """Whether no number became a date or a time."""
    from pyarrow import types

    if types.is_temporal(type_):
        return not any(
            issubclass(kind, _NUMBERS) and value == value
            for kind, value in zip(map(type, values), values, strict=True)
        )
    if types.is_struct(type_) and _has_time(type_):
        cells = [value for value in values if type(value) is dict]
        return all(_times_alone(f.type, [c[f.name] for c in cells if f.name in c]) for f in type_)
    if types.is_list(type_) and _has_time(type_):
        parts = [value for value in values if hasattr(value, "__len__")]
        return _times_alone(type_.value_type, [item for part in parts for item in part])
    return True


def _has_time(type_: Any) -> bool:
    from pyarrow import types

    return bool(types.is_temporal(type_)) or any(
        _has_time(type_.field(i).type) for i in range(type_.num_fields)
    )


@lru_cache(maxsize=1)
def _sorts_fields() -> bool:
    import pyarrow as pa

    return bool(pa.array([{"b": 1, "a": 1}]).type.field(0).name == "a")


def _as_seen(type_: Any, values: list[Any]) -> Any:
    """The type with the fields of structs in the order in which ``values`` have their keys."""
    import pyarrow as pa

    if pa.types.is_struct(type_):
        cells = [value for value in values if type(value) is dict]
        names = dict.fromkeys(key for cell in cells for key in cell)
        return pa.struct(
            [
                (name, _as_seen(type_.field(name).type, [c[name] for c in cells if name in c]))
                for name in names
            ]
        )
    if pa.types.is_list(type_):
        parts = [value for value in values if hasattr(value, "__len__")]
        return pa.list_(_as_seen(type_.value_type, [item for part in parts for item in part]))
    return type_


def _is_uuid_or_missing(value: Any) -> bool:
    return type(value) is uuid.UUID or value is None or value != value


def _uuids(values: Any) -> Any:
    """UUIDs as pyarrow 24 infers them, None and NaN as null."""
    import pyarrow as pa

    cells = [value.bytes if type(value) is uuid.UUID else None for value in values]
    storage = pa.array(cells, pa.binary(16))
    # Since version 18 the type is Arrow's own, and its name is taken.
    type_ = pa.uuid() if hasattr(pa, "uuid") else _uuid_type()
    return pa.ExtensionArray.from_storage(type_, storage)


@lru_cache(maxsize=1)
def _uuid_type() -> Any:
    import pyarrow as pa

    class UUIDType(pa.ExtensionType):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(pa.binary(16), "arrow.uuid")

        def __arrow_ext_serialize__(self) -> bytes:
            return b""

    return UUIDType()
