"""Matplotlib: figures in files, and the data that was drawn in them.

What is drawn by a method of the axes comes from the data that the method was given. Whatever else
is in a figure (drawn by another library, or of data that nothing is known of) is of unknown origin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FrameType
from typing import Any, Final

from otelprov.artifacts import classes
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import Identity, Step, derive, registry
from otelprov.instrumentation._calls import Observed, Site, add_library, is_internal
from otelprov.instrumentation._origins import sort_out
from otelprov.instrumentation._table import Entry, step, write
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import faults, models, observation
from otelprov.recording.recorder import note_read
from otelprov.recording.run import run

RECORDS: Final = (
    "**write**: `savefig` of a figure, or of the current one, with what was drawn in it"
)
ODDITIES: Final = (
    "A figure that `savefig` writes comes from what was drawn in its axes: by the methods of Axes "
    "and the functions of pyplot that the program gives data to, by `df.plot` and the functions of "
    "`pandas.plotting`, and by seaborn, scikit-learn, XGBoost, LightGBM and statsmodels for it. "
    "What other libraries draw, and lists and dicts of numbers, are of unknown origin; titles, "
    "labels and lines at one place (`axhline`) are no data. What is put into a line afterwards "
    "(`set_data`) is not seen.",
    "What seaborn calls inside is no operation. What a function of the program's draws that a grid "
    "of seaborn's calls (`FacetGrid.map`) is of unknown origin.",
    "`imsave`, PdfPages and animations are not recorded.",
)

add_library("seaborn")
_ARTISTS: Final = frozenset({"lightgbm", "seaborn", "sklearn", "statsmodels", "xgboost"})
"""Libraries that draw what they are given, and nothing else."""

_DRAWING: Final = (
    "axhline axhspan axline axvline axvspan bar barbs barh boxplot broken_barh bxp contour "
    "contourf errorbar eventplot fill fill_between fill_betweenx hexbin hist hist2d hlines imshow "
    "loglog matshow pcolor pcolormesh pie plot quiver scatter semilogx semilogy specgram spy "
    "stackplot stairs stem step streamplot tricontour tricontourf tripcolor triplot violin "
    "violinplot vlines"
).split()
_DATA: Final = frozenset({"x", "y", "height", "width", "X", "Y", "Z", "C", "data"})
"""Parameters that may be given by name, and hold what is drawn."""
_VARIABLES: Final = frozenset({"data", "x", "y", "hue", "size", "style", "a", "weights"})
"""Parameters of those that are data, if they are no names of columns."""
_PLOTTING: Final = frozenset({"pandas.plotting._core", "pandas.plotting._misc"})
_MORE: Final = ("kwargs", "kwds")
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
    yield step("Axes.annotate", around=_adding)


def _parts_of_axes() -> Iterable[Entry]:
    for name in ("add_artist", "add_collection", "add_line", "add_patch"):
        yield step(f"_AxesBase.{name}", around=_adding)


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
                plotted = _by_library(frame)
                if plotted is None:
                    plotted = _plotted_in(frame) if is_internal(frame) else _given(args, kwargs)
                if plotted is not None:
                    for part in self._children[before:]:
                        registry.assign(part, plotted)
        return result

    return wrapper


def _adding(original: Callable[..., Any]) -> Callable[..., Any]:
    return followed(original, _added, "what was drawn is not known")


def _added(frame: FrameType | None, part: Any, *_: object, **__: object) -> None:
    """What a library adds that draws for the program, as the words in a tree: what the program
    itself writes beside its data is none."""
    plotted = _by_library(frame) if _package(frame) in _ARTISTS else None
    if plotted is not None:
        registry.assign(part, plotted)


def _package(frame: FrameType | None) -> str | None:
    return str(frame.f_globals.get("__name__")).partition(".")[0] if frame is not None else None


def _number_of_parts(axes: Any) -> int | None:
    children = getattr(axes, "_children", None)
    return len(children) if type(children) is list else None


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Identity:
    """What is drawn of these arguments."""
    values = (*args, *kwargs.values())
    note_read(*values)
    return _drawn(values, (*args, *(kwargs[name] for name in _DATA & kwargs.keys()))) or _SCENERY


def _drawn(values: Iterable[Any], drawn: Iterable[Any], *, others: bool = False) -> Identity | None:
    """What is drawn of ``values``, of which ``drawn`` may be lists of numbers, and of ``others``,
    of which nothing is known."""
    known: list[Identity] = []
    if sort_out(values, known) or others or any(map(_is_values, drawn)):
        known.append(Identity((_unknown(),)))
    return derive(_DRAWN, known, None, tells_columns=False)


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
    """The table that pandas draws; None where it is no method or function of its that draws."""
    while frame is not None and is_internal(frame):
        if frame.f_globals.get("__name__") in _PLOTTING:
            held = frame.f_locals
            table = next(
                (held[name] for name in ("data", "frame", "series", "self") if name in held), None
            )
            known = registry.lookup(getattr(table, "_parent", table))
            if known is not None:
                more = [value for name in _MORE if name in held for value in held[name].values()]
                others = _drawn(more, ())
                if others is None:
                    return known
                return derive(_DRAWN, [known, others], None, tells_columns=False)
        frame = frame.f_back
    return None


def _by_library(frame: FrameType | None) -> Identity | None:
    """What a function, or an object, of another library was given that draws for the program; None
    where none does. All that it draws comes from that."""
    own: FrameType | None = None
    while frame is not None:
        root = _package(frame)
        if root in _ARTISTS:
            own = frame
        elif root != "matplotlib" and not is_internal(frame):
            break
        frame = frame.f_back
    if own is None:
        return None
    code, held = own.f_code, own.f_locals
    number = code.co_argcount + code.co_kwonlyargcount
    number += bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    given = {name: held[name] for name in code.co_varnames[:number] if name in held}
    of = getattr(given.pop("self", None), "__dict__", {})
    whole = str(own.f_globals.get("__name__")).startswith("sklearn.")  # it draws all that it holds
    given |= {
        name: value
        for name, value in of.items()
        if name in _VARIABLES or registry.lookup(value) is not None or (whole and _is_data(value))
    }
    drawn = [given[name] for name in _VARIABLES & given.keys()]
    hidden = any(map(_hides, given.values()))
    return _drawn(given.values(), drawn, others=hidden) or Identity((_unknown(),))


def _hides(value: object) -> bool:
    """Whether it is a model, or what a fit has found, of which nothing is known."""
    if registry.lookup(value) is not None:
        return False
    if observation.data_kind(value) == "model":
        return models.is_fitted(value)
    return classes.module(type(value)).partition(".")[0] == "statsmodels"


# --- what is written ------------------------------------------------------------------------------


def _figure() -> Iterable[Entry]:
    shows = ("dpi", "format", "transparent")
    save = write("Figure.savefig", target="fname", data="", places=_named, shows=shows)
    yield save._replace(observed=_Saved, handed=True)


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
        while frame is not None and (
            frame.f_globals.get("__name__") == "matplotlib.pyplot" or is_internal(frame)
        ):
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
        part: Any
        for part in getattr(axes, "_children", (None,)):
            number += 1
            if number > _MAX_PARTS:
                yield None
                return
            if registry.lookup(part) is None and (
                type(part).__name__ in _WORDS or _shows_nothing(part)
            ):
                continue
            yield part


def _shows_nothing(part: Any) -> bool:
    """Whether it is a line without points or a bar without size: one that stands in a legend."""
    kind = type(part).__name__
    if kind == "Line2D":
        return not len(part.get_xdata(orig=True))
    return kind == "Rectangle" and part.get_width() == 0 == part.get_height()


TABLES = {
    "matplotlib.axes._axes": _axes,
    "matplotlib.axes._base": _parts_of_axes,
    "matplotlib.figure": _figure,
}
