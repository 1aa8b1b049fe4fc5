"""Matplotlib: figures in files, and the data that was drawn in them.

What is drawn by a method of the axes comes from the data that the method was given. Whatever else
is in a figure (drawn by another library, or of data that nothing is known of) is of unknown origin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any, Final

from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, Step, derive, registry
from otelprov.instrumentation._calls import Observed, Site, is_internal
from otelprov.instrumentation._origins import sort_out
from otelprov.instrumentation._table import Entry, step, write
from otelprov.recording import faults, observation
from otelprov.recording.recorder import note_read
from otelprov.recording.run import run

RECORDS: Final = (
    "**write**: `savefig` of a figure, or of the current one, with what was drawn in it"
)
ODDITIES: Final = (
    "A figure that `savefig` writes comes from what was drawn in its axes: by the methods of Axes "
    "and the functions of pyplot that the program gives data to, and by `df.plot`. What other "
    "libraries draw, and lists and dicts of numbers, are of unknown origin; titles, labels and "
    "lines at one place (`axhline`) are no data. What is put into a line afterwards (`set_data`) "
    "is not seen.",
    "`imsave`, PdfPages and animations are not recorded.",
)

_DRAWING: Final = (
    "axhline axhspan axline axvline axvspan bar barbs barh boxplot broken_barh contour contourf "
    "errorbar eventplot fill fill_between fill_betweenx hexbin hist hist2d hlines imshow loglog "
    "matshow pcolor pcolormesh pie plot quiver scatter semilogx semilogy specgram spy stackplot "
    "stairs stem step streamplot tricontour tricontourf tripcolor triplot violinplot vlines"
).split()
_DATA: Final = frozenset({"x", "y", "height", "width", "X", "Y", "Z", "C", "data"})
"""Parameters that may be given by name, and hold what is drawn."""
_NO_VALUES: Final = observation.PLAIN | {range}
_WORDS: Final = frozenset({"Annotation", "Legend", "Text"})
_DRAWN: Final = Step("matplotlib", "draw")
_SCENERY: Final = Identity((), b"")
"""Of what is drawn without data."""
_MAX_PARTS: Final = 10_000
"""Bars, points and lines of one figure that are looked at."""

# --- what is drawn --------------------------------------------------------------------------------


def _axes() -> Iterable[Entry]:
    for name in _DRAWING:
        yield step(f"Axes.{name}", around=_drawing)


def _drawing(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        before = _number_of_parts(self) if run.active else None
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if before is not None:
            with faults.contained("what was drawn is not known"):
                frame = sys._getframe().f_back
                plotted = _plotted_in(frame) if is_internal(frame) else _given(args, kwargs)
                if plotted is not None:
                    for part in self._children[before:]:
                        registry.assign(part, plotted)
        return result

    return wrapper


def _number_of_parts(axes: Any) -> int | None:
    children = getattr(axes, "_children", None)
    return len(children) if type(children) is list else None


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Identity:
    """What is drawn of these arguments."""
    values = (*args, *kwargs.values())
    note_read(*values)
    known: list[Identity] = []
    drawn = (*args, *(kwargs[name] for name in _DATA & kwargs.keys()))
    if sort_out(values, known) or any(map(_is_values, drawn)):
        known.append(Identity((_unknown(),)))
    return derive(_DRAWN, known, None, tells_columns=False) or _SCENERY


def _is_values(value: Any) -> bool:
    """Whether it holds values that are no table or array, as a list of numbers or the values of a
    dict do; one that is empty is filled later (``set_data``)."""
    kind = type(value)
    if kind is list or kind is tuple:
        return not value or not all(type(one) is str or _is_data(one) for one in value)
    return kind not in _NO_VALUES and hasattr(kind, "__iter__") and not _is_data(value)


def _is_data(value: object) -> bool:
    return observation.data_kind(value) is not None or observation.stands_in(value)


def _unknown() -> Any:
    return unknown("drawn of data, or by code, that is not recorded")


def _plotted_in(frame: FrameType | None) -> Identity | None:
    """The table that pandas draws; None where it is no method of a table's that draws."""
    while frame is not None and is_internal(frame):
        if frame.f_globals.get("__name__") == "pandas.plotting._core":
            held = frame.f_locals
            table = held.get("data", held.get("self"))
            known = registry.lookup(getattr(table, "_parent", table))
            if known is not None:
                return known
        frame = frame.f_back
    return None


# --- what is written ------------------------------------------------------------------------------


def _figure() -> Iterable[Entry]:
    shows = ("dpi", "format", "transparent")
    save = write("Figure.savefig", target="fname", data="", places=_named, shows=shows)
    yield save._replace(observed=_Saved)


def _named(parameters: Mapping[str, Any]) -> Any:
    """The file: its name gets a suffix where it has none."""
    file = parameters.get("fname")
    if not isinstance(file, (str, os.PathLike)) or parameters.get("format") is not None:
        return file
    path = os.fspath(file)
    if not isinstance(path, str) or os.path.splitext(path)[1]:
        return path
    return f"{path.rstrip('.')}.{parameters['self'].canvas.get_default_filetype()}"


class _Saved(Observed):
    """A figure is written to a file."""

    __slots__ = ()

    def __init__(self, site: Site, arguments: Any, keywords: Any, frame: Any, *more: Any) -> None:
        while frame is not None and frame.f_globals.get("__name__") == "matplotlib.pyplot":
            frame = frame.f_back
        super().__init__(site, arguments, keywords, frame, *more)
        with faults.contained("what was drawn in a figure is not known"):
            known = [registry.lookup(part) for part in _parts(self.target)]
            for identity in known:
                if identity is not None:
                    self.operation.use("drawn", identity)
            if not all(known):
                self.operation.use_artifact("drawn", _unknown())


def _parts(figure: Any) -> Iterator[Any]:
    """What was drawn in a figure; None for what is not looked at."""
    yield from (*figure.images, *figure.lines)
    number = 0
    for axes in figure.axes:
        if hasattr(axes, "_colorbar"):
            continue  # it shows what is drawn elsewhere
        for part in getattr(axes, "_children", (None,)):
            number += 1
            if number > _MAX_PARTS:
                yield None
                return
            if type(part).__name__ not in _WORDS:
                yield part


TABLES = {"matplotlib.axes._axes": _axes, "matplotlib.figure": _figure}
