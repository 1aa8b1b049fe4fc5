"""NumPy: what reads and writes files, and functions and methods that make an array of others.

Operators and universal functions are C, and are not seen. What a recorded function returns is
known, and so are its views, which lie in the same memory. What ``a + b`` or ``a[mask]`` makes is a
new array of unknown origin, known by its content (docs/decisions/0033).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from otelprov.artifacts import classes
from otelprov.artifacts.locations import unknown
from otelprov.artifacts.registry import NUMBERS, Identity, derive, is_own_number, registry
from otelprov.instrumentation._calls import (
    Observed,
    Site,
    hands_out_pieces,
    is_internal_call,
    operation_around,
    put_on,
)
from otelprov.instrumentation._mapped import Mapped
from otelprov.instrumentation._origins import sort_out
from otelprov.instrumentation._table import Entry, Packing, read, step, suffixed, write
from otelprov.instrumentation._wrapping import site_of
from otelprov.recording import faults, in_place, memory, observation
from otelprov.recording.plain_values import known_numbers
from otelprov.recording.recorder import note_read
from otelprov.recording.run import run

ODDITIES = (
    "Operators and universal functions are written in C and are not seen: what `a + b`, `a > 1`, "
    "`a[mask]` or `np.log(a)` makes is of unknown origin, known by its content.",
    "Functions and methods that make an array of others are small steps: `np.where`, `np.select`, "
    "`np.concatenate` and its kin, `np.c_`, `np.argmax`, `np.unique`, `np.mean` along an axis, "
    "`a.astype()`, `a.copy()`, `a.clip()`, `a.dot(b)` and the like. Of what is given to them the "
    "rest is of unknown origin. A number that sums an array up (`a.mean()`, `np.max(a)`) is known "
    "as with pandas, one that is taken out of it (`a[0]`) is not.",
    "A view of a known array (`a[:, :3]`, `a.T`, `a.reshape(...)`) is known to come from it. What "
    "the program puts into a known array (`a[mask] = b`, `a += b`, `a.fill(0)`) is not seen. That "
    "it did is, when the array is next used: something of unknown origin is in it. Of an array of "
    "more than 2,048 values so many are looked at, evenly: a change of a few others is missed.",
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
        function = getattr(original, "_implementation", None)
        return None if function is None or self._dispatcher(original) is None else function

    def _dispatcher(self, original: Any) -> Callable[..., Any] | None:
        """What says which of the arguments are arrays."""
        home = getattr(original._implementation, "__globals__", None)
        if home is None:
            of_c = _OF_C.get(self._name)
            return None if of_c is None else of_c(original)
        name = self._name.rpartition(".")[2]
        names = (name, _DISPATCHED_AS.get(name))
        return next((home[one] for one in map("_{}_dispatcher".format, names) if one in home), None)

    def put_in(self, function: Callable[..., Any], original: Any) -> Any:
        made = type(original)(self._dispatcher(original), function)
        made.__dict__.update(vars(original))
        self._put = (original, made)
        _list(made, original)
        return made

    def undo(self) -> None:
        if self._put is not None:
            _list(*self._put)


_DISPATCHED_AS = {
    "vstack": "vhstack", "hstack": "vhstack", "around": "round", "tril": "trilu", "triu": "trilu",
    "amax": "max", "amin": "min", "inv": "unary", "eig": "unary", "eigvals": "unary",
    "eigh": "eigvalsh", "multi_dot": "multidot",
}  # fmt: skip
"""Functions that share what says which of their arguments are arrays, under the name of another."""


def _of_where(original: Callable[..., Any]) -> Callable[..., Any]:
    def where(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            if kwargs or not 0 < len(args) < 4:
                original(*args, **kwargs)  # raises
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        return args

    return where


def _of_concatenate(original: Callable[..., Any]) -> Callable[..., Any]:
    allowed = {"axis", "out", "dtype", "casting"}

    def concatenate(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            if not args or len(args) > 3 or not kwargs.keys() <= allowed:
                original(*args, **kwargs)  # raises
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        out = args[2] if len(args) > 2 else kwargs.get("out")
        return args[0] if out is None else [*list(args[0]), out]

    return concatenate


def _of_dot(original: Callable[..., Any]) -> Callable[..., Any]:
    def dot(*args, **kwargs):  # type: ignore[no-untyped-def]
        if kwargs or not 1 < len(args) < 4:
            try:
                given = {*("a", "b", "out")[: len(args)], *kwargs}
                twice = len(given) < len(args) + len(kwargs)
                if twice or not {"a", "b"} <= given <= {"a", "b", "out"}:
                    original(*args, **kwargs)  # raises
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                raise
            return (*args, *kwargs.values())
        return args

    return dot


_OF_C = {"where": _of_where, "concatenate": _of_concatenate, "dot": _of_dot}
"""For functions in C, of which it is nowhere else said."""


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
        yield _dispatched(write(name, **facts))
    for name in ("sort", "partition"):
        yield step(f"ndarray.{name}", around=_ordering)
    yield write("ndarray.tofile", name="ndarray.tofile", target="fid", data="self")
    yield write("ndarray.dump", name="ndarray.dump", target="file", data="self")
    for name in _COMPUTED:
        yield _dispatched(_computed_by(step(name)))
    for name in _METHODS:
        entry = step(f"ndarray.{name}")
        yield entry._replace(around=partial(_computing_itself, entry))
    for name in _COPIED:
        entry = step(name)
        yield _alike(name, entry._replace(around=partial(_copying, entry)))
    for home in ("_index_tricks_impl", "index_tricks"):  # np.c_ and np.r_; up to 1.26
        entry = step(f"lib.{home}.AxisConcatenator.__getitem__", name="concatenate")
        yield entry._replace(around=partial(_joining, entry))


def _computed_by(entry: Entry) -> Entry:
    return entry._replace(around=partial(_computing, entry))


def _computing(entry: Entry, original: Callable[..., Any]) -> Callable[..., Any]:
    """Loops call these functions with small arrays that nothing is known of: that is seen first."""
    numpy: Any = sys.modules["numpy"]
    site = site_of(entry, "numpy", numpy.__version__, original, original, method=False)
    made, array = _made(), numpy.ndarray
    numbers = _scalars() if site.sums_up else frozenset()

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            result = original(*args, **kwargs) if kwargs else original(*args)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if type(result) in made and run.active:
            try:
                if _may_be_known(args or kwargs.values(), array) and not is_internal_call(2):
                    _computed(site, args, kwargs, result)
            except Exception as fault:
                faults.tell(site.not_passed_on, fault)
        elif type(result) in numbers and run.active:
            try:
                if (
                    _may_be_known(args[:1], array) or _may_hold_numbers(args)
                ) and not is_internal_call(2):
                    _summed_up(site, args, result)
            except Exception as fault:
                faults.tell(site.not_passed_on, fault)
        return result

    return wrapper


def _computing_itself(entry: Entry, original: Callable[..., Any]) -> Callable[..., Any]:
    """For a method of arrays, which libraries call a thousand times as often as a program: 0.2 µs
    for arrays that nothing is known of. A view is known by the memory that it lies in."""
    numpy: Any = sys.modules["numpy"]
    site = site_of(entry, "numpy", numpy.__version__, original, original, method=True)
    array = numpy.ndarray
    numbers = _scalars() if site.sums_up else frozenset()

    def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            result = original(self, *args, **kwargs) if args or kwargs else original(self)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if type(result) is array and result is not self:
            try:
                key, base, below = id(self), self.base, result.base
                if (
                    (below is None or (below is not self and below is not base))
                    and (
                        key in _known
                        or key in _arrived
                        or (base is not None and memory.may_be_known(self))
                        or (args and _may_be_known(args, array))
                    )
                    and run.active
                    and not is_internal_call(2)
                ):
                    _computed(site, (self, *args), kwargs, result)
            except Exception as fault:
                faults.tell(site.not_passed_on, fault)
        elif type(result) in numbers and run.active:
            try:
                if memory.may_be_known(self) and not is_internal_call(2):
                    _summed_up(site, (self, *args), result)
            except Exception as fault:
                faults.tell(site.not_passed_on, fault)
        return result

    return wrapper


def _joining(entry: Entry, original: Callable[..., Any]) -> Callable[..., Any]:
    return _computing(entry, _by_text(original))


def _by_text(original: Callable[..., Any]) -> Callable[..., Any]:
    """``np.r_["a, b"]`` looks for these names where it is called."""

    def getitem(self, key):  # type: ignore[no-untyped-def]
        try:
            if isinstance(key, str):
                frame = sys._getframe(2)  # the caller of what stands in for this
                matrices: Any = sys.modules["numpy"].matrixlib
                return matrices.bmat(key, frame.f_globals, frame.f_locals)
            return original(self, key)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return getitem


def _copying(entry: Entry, original: Callable[..., Any]) -> Callable[..., Any]:
    """For functions in C that make an array of anything: libraries hand all that they are given to
    them."""
    numpy: Any = sys.modules["numpy"]
    site = site_of(entry, "numpy", numpy.__version__, original, original, method=False)
    array, lookup = numpy.ndarray, registry.lookup

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            result = original(*args, **kwargs) if kwargs else original(*args)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if args and type(result) is array and result is not args[0]:
            try:
                if (
                    _may_be_known(args[:1], array)
                    and lookup(result) is None  # else the method of a table has made it
                    and run.active
                    and not is_internal_call(2)
                ):
                    _computed(site, args[:1], {}, result)
                elif _may_hold_numbers(args) and run.active and not is_internal_call(2):
                    _made_of_numbers(site, args[0], result)
            except Exception as fault:
                faults.tell(site.not_passed_on, fault)
        return result

    return wrapper


def _ordering(original: Callable[..., Any]) -> Callable[..., Any]:
    """For what puts the values of an array into another order: it is made of the same ones."""
    prints, missing = in_place.prints, "that an array was put in order is not known"

    def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        known = None
        if id(self) in prints:
            try:
                known = registry.lookup(self)
                if known is not None:
                    in_place.as_it_is(self, known)
            except Exception as fault:
                faults.tell(missing, fault)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if known is not None:
            try:
                in_place.note(self)
            except Exception as fault:
                faults.tell(missing, fault)
        return result

    return wrapper


@cache
def _made() -> frozenset[type]:
    """What NumPy makes arrays into: a table was made by its own method."""
    numpy: Any = sys.modules["numpy"]
    names = ("numpy.linalg._linalg", "numpy.linalg.linalg")  # up to 1.26
    home: dict[str, Any] = {}
    for name in names:
        home.update(vars(sys.modules[name]) if name in sys.modules else {})
    named = [one for one in home.values() if isinstance(one, type) and issubclass(one, tuple)]
    return frozenset({numpy.ndarray, tuple, *named})  # named ones: of `svd`


def _may_be_known(values: Iterable[Any], array: type) -> bool:
    """Whether one of these arguments is data that something may be known of.

    ``array`` is ``numpy.ndarray``, which most of them are.
    """
    for value in values:
        kind = type(value)
        if kind is array:
            key = id(value)
            if key in _known or key in _arrived:
                return True
            if value.base is not None and memory.may_be_known(value):
                return True
        elif kind is list or kind is tuple:
            if registry.container(value) is not None:
                return True
            if len(value) > _FEW and _are_plain(value[0]):
                continue
            if _may_be_known(value, array):
                return True
        elif kind in observation.PLAIN or _is_type(kind):
            continue
        elif not memory.is_array(value) or memory.may_be_known(value):
            return True
    return False


def _is_type(kind: type) -> bool:
    """Of what stands in ``a.astype(np.float32)`` and ``a.astype(b.dtype)``."""
    return kind is type or classes.module(kind) == "numpy.dtypes"


_known, _arrived = registry.ids
_FEW = 64
"""Items of a list of which all are looked at, whatever the first one is."""


def _are_plain(value: Any) -> bool:
    """Whether it is a number or a text, or a list of such."""
    kind = type(value)
    if kind is list or kind is tuple:
        return not value or _are_plain(value[0])
    return kind in observation.PLAIN


def _computed(site: Site, args: Any, kwargs: Mapping[str, Any], result: object) -> None:
    if kwargs.get("out") is not None and "where" not in kwargs:
        kwargs = {name: value for name, value in kwargs.items() if name != "out"}
        if not _may_be_known((*args, *kwargs.values()), sys.modules["numpy"].ndarray):
            return
    values = (*args, *kwargs.values())
    if getattr(result, "base", None) is not None and memory.behind(result) is not None:
        return  # a view
    note_read(*values)
    known: list[Identity] = []
    others = sort_out(values, known)
    if not known:
        return
    if others:
        _add_unknown(known)
    identity = derive(site.step, known, None)  # anybody may have changed an array in between
    if identity is not None:
        put_on(site, known, result, identity)


def _summed_up(site: Site, args: Any, number: object) -> None:
    """``a.mean()`` comes from ``a``, if that is no table, whose method has said so."""
    if id(number) in registry.numbers or not is_own_number(number) or operation_around():
        return
    known: list[Identity] = []
    sort_out(args, known)
    identity = derive(site.step, known or known_numbers(args), None)
    if identity is not None:
        registry.found(number, identity, by_step=True)


def _may_hold_numbers(args: tuple[Any, ...]) -> bool:
    """Whether the first argument is a list that may hold known numbers."""
    return bool(registry.numbers) and bool(args) and type(args[0]) in (list, tuple)


def _made_of_numbers(site: Site, values: object, made: object) -> None:
    """``np.array([first, second])`` comes from what these come from."""
    known = known_numbers((values,))
    identity = derive(site.step, known, None)
    if identity is not None:
        put_on(site, known, made, identity)


@cache
def _scalars() -> frozenset[type]:
    """What is a number of NumPy's."""
    numpy: Any = sys.modules["numpy"]
    return frozenset(getattr(numpy, name) for name in NUMBERS)


def _add_unknown(known: list[Identity]) -> None:
    operation = operation_around()
    if hands_out_pieces(operation):
        return
    source = unknown("an array that was made by code that is not recorded", "array")
    known.append(Identity((source,)))
    if operation is not None:
        operation.use_artifact("read inside", source)


def _dispatched(entry: Entry) -> Entry:
    dispatched = _Dispatched(entry.path)
    packing = Packing(dispatched.take_out, dispatched.put_in)
    return entry._replace(packing=packing, undo=dispatched.undo)


def _alike(name: str, entry: Entry) -> Entry:
    like = _Like(name)
    packing = Packing(lambda original: original, like.put_in)
    return entry._replace(packing=packing, undo=like.undo)


_COMPUTED = [
    *(
        "all any append argmax argmin argpartition argsort argwhere around average choose clip "
        "column_stack compress concatenate convolve copy corrcoef cov cross cumprod cumsum delete "
        "diag diff digitize dot dstack ediff1d einsum extract flatnonzero gradient histogram "
        "histogram2d hstack in1d insert interp intersect1d isin kron max mean median meshgrid min "
        "nan_to_num nanargmax nanargmin nancumsum nanmax nanmean nanmedian nanmin nanpercentile "
        "nanprod nanquantile nanstd nansum nanvar nonzero outer pad partition percentile polyfit "
        "polyval prod ptp quantile ravel repeat reshape resize roll round searchsorted select "
        "setdiff1d setxor1d sort stack std sum take tensordot tile tril triu union1d unique "
        "unwrap vander var vstack where"
    ).split(),
    *map(
        "linalg.{}".format,
        "cholesky eig eigh eigvals inv lstsq matrix_power multi_dot pinv qr solve svd".split(),
    ),
]
"""Functions that make an array of others: small steps. What is made to be filled (`zeros`) is none
of them."""

_COPIED = ("array", "asarray", "ascontiguousarray", "asfortranarray")

_METHODS = (
    "argmax argmin argpartition argsort astype choose clip compress conj copy cumprod cumsum "
    "diagonal dot flatten max mean min nonzero prod ravel repeat reshape round searchsorted std "
    "sum take trace var"
).split()
"""Methods of arrays that make another one."""

_WRITERS: dict[str, dict[str, Any]] = {
    "save": {"target": "file", "data": "arr", "places": suffixed("file", ".npy")},
    "savez": {"target": "file", "data": "", "places": suffixed("file", ".npz")},
    "savez_compressed": {"target": "file", "data": "", "places": suffixed("file", ".npz")},
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
