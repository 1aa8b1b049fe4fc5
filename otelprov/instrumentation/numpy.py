"""NumPy: what reads and writes files. Arithmetic and indexing are C, and are not seen.

What a recorded function returns is known, and so are its views, which lie in the same memory. What
``a + b`` or ``a[mask]`` makes is a new array of unknown origin, known by its content.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from otelprov.artifacts.locations import unknown
from otelprov.instrumentation._calls import Observed
from otelprov.instrumentation._mapped import Mapped
from otelprov.instrumentation._table import Entry, Packing, read, write

ODDITIES = (
    "Methods of arrays and universal functions are written in C and are not seen: "
    "`array.tofile(path)` and `array.dump(path)` are no writes, and what `a + b`, `a[mask]` or "
    "`np.concatenate` makes is of unknown origin, known by its content.",
    "A view of a known array (`a[:, :3]`, `a.T`, `a.reshape(...)`) is known to come from it.",
    "A mapped file (`np.memmap`, `mmap_mode`) is used by its size and time, and not read. What is "
    "written to it is seen at `flush()`, where it comes from is not. `np.lib.format` "
    "(`open_memmap`, `read_array`, `write_array`) and the files of an `np.lib.npyio.DataSource` "
    "are not recorded.",
)


class _Loaded(Mapped):
    """Of an archive each array is read by itself, mapped or not."""

    __slots__ = ()

    def _has_mapped(self, result: object) -> bool:
        return isinstance(result, _memmap())


class _Opened(Mapped):
    """A mapped file is opened."""

    __slots__ = ()

    def _maps(self) -> bool:
        return True

    def _has_mapped(self, result: object) -> bool:
        return isinstance(result, _memmap())

    def _is_written(self) -> bool:
        return self.parameters.get("mode") in ("w+", "write")


def _memmap() -> Any:
    return sys.modules["numpy"].memmap


class _Flushed(Observed):
    """What the program has put into a mapped file, by means that are not seen, goes there."""

    __slots__ = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        reason = "put into the memory of a mapped file"
        self.operation.use_artifact("content", unknown(reason, "array"))


class _Dispatched:
    """A function that other libraries may overrule for arrays of their own (NEP 18).

    It stands in an object of C that hands itself to them: whoever looks it up in a table of his own
    must find what ``numpy`` holds under its name. So the object is made anew, around ours.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._put: tuple[Any, Any] | None = None

    def take_out(self, original: Any) -> Callable[..., Any] | None:
        return getattr(original, "_implementation", None)

    def put_in(self, function: Callable[..., Any], original: Any) -> Any:
        home = original._implementation.__globals__
        made = type(original)(home[f"_{self._name}_dispatcher"], function)
        made.__dict__.update(vars(original))
        self._put = (original, made)
        _list(made, original)
        return made

    def undo(self) -> None:
        if self._put is not None:
            _list(*self._put)


class _Like:
    """A function with a parameter ``like``, which hands itself to the class of that array."""

    def __init__(self, name: str) -> None:
        self._name = f"_{name}_with_like"
        self._put: list[tuple[Any, Any]] = []
        self._home: dict[str, Any] = {}

    def put_in(self, function: Callable[..., Any], original: Any) -> Any:
        self._put = [(original, function)]
        self._home = getattr(original, "__globals__", {})  # one in C finds itself in `numpy`
        before = self._home.get(self._name)
        if before is not None:
            made = self._home[self._name] = type(before)(None, function)
            made.__dict__.update(vars(before))
            self._put.append((before, made))
        for one, another in self._put:
            _list(another, one)
        return function

    def undo(self) -> None:
        for original, made in self._put:
            _list(original, made)
            if self._name in self._home and self._home[self._name] is made:
                self._home[self._name] = original


def _list(function: Any, instead: Any) -> None:
    """In NumPy's own list of functions that other libraries may overrule."""
    for place in ("numpy._core.overrides", "numpy.core.overrides"):
        listed = getattr(sys.modules.get(place), "ARRAY_FUNCTIONS", None)
        if listed is not None and instead in listed:
            listed.discard(instead)
            listed.add(function)


def table() -> Iterable[Entry]:
    """What ``import numpy`` loads."""
    yield read("load", source="file", observed=_Loaded)
    for name in ("loadtxt", "genfromtxt"):
        yield _alike(name, read(name, source="fname", places=_text))
    yield read("fromregex", source="file")
    yield _alike("fromfile", read("fromfile", source="file"))
    yield read("memmap.__new__", name="memmap", source="filename", observed=_Opened)
    flush = write("memmap.flush", name="memmap.flush", target="filename", data="", places=_mapped)
    yield flush._replace(observed=_Flushed)
    yield read("lib.npyio.NpzFile.__getitem__", name="NpzFile.getitem", always=True)
    for name, facts in _WRITERS.items():
        dispatched = _Dispatched(name)
        packing = Packing(dispatched.take_out, dispatched.put_in)
        yield write(name, packing=packing, undo=dispatched.undo, **facts)


def _alike(name: str, entry: Entry) -> Entry:
    like = _Like(name)
    packing = Packing(lambda original: original, like.put_in)
    return entry._replace(packing=packing, undo=like.undo)


def _suffixed(suffix: str) -> Callable[[Mapping[str, Any]], Any]:
    """NumPy adds a suffix to the name of a file that does not have it."""

    def place(parameters: Mapping[str, Any]) -> Any:
        file = parameters.get("file")
        if not isinstance(file, (str, os.PathLike)):
            return file
        path = os.fspath(file)
        return path if not isinstance(path, str) or path.endswith(suffix) else path + suffix

    return place


_WRITERS: dict[str, dict[str, Any]] = {
    "save": {"target": "file", "data": "arr", "places": _suffixed(".npy")},
    "savez": {"target": "file", "data": "", "places": _suffixed(".npz")},
    "savez_compressed": {"target": "file", "data": "", "places": _suffixed(".npz")},
    "savetxt": {"target": "fname", "data": "X"},
}


def _text(parameters: Mapping[str, Any]) -> Any:
    """The file that is read; None where the lines themselves are given."""
    source = parameters.get("fname")
    named = isinstance(source, (str, os.PathLike)) or hasattr(source, "read")
    return source if named else None


def _mapped(parameters: Mapping[str, Any]) -> Any:
    """The file behind a mapped array that can be written to."""
    array = parameters["self"]
    return array.filename if array.mode in ("r+", "w+") else None


TABLES = {"numpy": table}
