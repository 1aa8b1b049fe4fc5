"""The labels of rows of pandas' tables: what ``df.index`` gives comes from that table.

``df.drop(df[mask].index)`` and ``a.loc[b.index]`` choose rows by another table, of which often
nothing is left but its labels. ``df.columns`` is not looked at: names of columns are no data.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from otelprov.artifacts.registry import Step, derive, registry
from otelprov.instrumentation._calls import is_internal, no_parameters
from otelprov.instrumentation._table import Entry, Packing, each, step
from otelprov.recording import faults
from otelprov.recording.run import run

_INDEX: Final = Step("pandas", "index")
_METHODS: Final = (
    "intersection union difference symmetric_difference append unique drop drop_duplicates delete "
    "insert map isin to_series to_frame get_level_values sort_values astype take duplicated "
    "__getitem__"
).split()
_CLASSES: Final = (
    "core.indexes.base.Index",
    "core.indexes.range.RangeIndex",
    "core.indexes.multi.MultiIndex",
    "core.indexes.datetimelike.DatetimeIndexOpsMixin",
    "core.indexes.datetimelike.DatetimeTimedeltaMixin",
)
_OPERATORS: Final = ("_arith_method", "_cmp_method", "_logical_method")
_TIMES: Final = {
    "datetimes.DatetimeIndex": (
        "year month day hour minute second microsecond nanosecond quarter dayofweek day_of_week "
        "weekday dayofyear day_of_year days_in_month daysinmonth date time is_leap_year "
        "is_month_start is_month_end is_quarter_start is_quarter_end is_year_start is_year_end "
        "normalize strftime round floor ceil month_name day_name isocalendar to_period tz_convert "
        "tz_localize to_julian_date"
    ),
    "timedeltas.TimedeltaIndex": "days seconds microseconds total_seconds round floor ceil",
    "period.PeriodIndex": (
        "year month day hour minute quarter dayofweek day_of_week weekday dayofyear day_of_year "
        "week days_in_month start_time end_time strftime to_timestamp asfreq"
    ),
}


def entries() -> Iterable[Entry]:
    """What gives labels, and what makes others of them."""
    packing = Packing(_take_out, _put_in)
    yield from each(step("index", around=_taken, packing=packing), "DataFrame", "Series")
    for name in _METHODS:
        yield from each(step(name), *_CLASSES)
    for name in _OPERATORS:
        yield from each(step(name, always=True), *_CLASSES[:2])
    for name in ("__array__", "__array_ufunc__"):
        yield step(f"{_CLASSES[0]}.{name}")
    yield from each(step("values", gives_memory=True), *_CLASSES)
    for name in ("base.Index.__new__", "datetimes.DatetimeIndex.__new__"):
        yield step(f"core.indexes.{name}")
    for name in ("from_frame", "from_arrays", "from_product"):
        yield step(f"core.indexes.multi.MultiIndex.{name}")
    for kind, names in _TIMES.items():
        for name in names.split():
            yield step(f"core.indexes.{kind}.{name}")


def _take_out(original: Any) -> Callable[..., Any] | None:
    """How ``AxisProperty``, which is C, gives the labels; None where it is something else."""
    if type(original).__name__ != "AxisProperty":
        return None
    function: Callable[..., Any] = original.__get__
    return function


def _put_in(function: Callable[..., Any], original: Any) -> property:
    return property(function, original.__set__, None, original.__doc__)


def _taken(original: Callable[..., Any]) -> Callable[..., Any]:
    # pandas itself asks for them some ten times in a call. Not by `followed`, which takes 0.4 µs
    # more, nor by another call before it is known who asks.
    def wrapper(self):  # type: ignore[no-untyped-def]
        try:
            labels = original(self)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active:
            try:
                if not is_internal(sys._getframe().f_back):  # none where DuckDB asks
                    _labelled(self, labels)
            except Exception as fault:
                faults.tell("where the labels of rows come from is not known", fault)
        return labels

    return wrapper


def _labelled(table: Any, labels: Any) -> None:
    identity = registry.lookup(table)
    if identity is not None:
        # They are the level of that name, and come from no column. Of several levels a step may
        # take any.
        name = labels.name
        level = (None, name) if type(name) is str and identity.is_selection else None
        found = derive(_INDEX, [identity], no_parameters(), picked=level, tells_columns=False)
        if found is not None:
            registry.assign(labels, found)
