"""What an operation table says: one entry for each function of a library that is looked at.

A library's module lists facts with ``read``, ``write``, ``transform`` and ``step``; this module
gives them their meaning, and ``_wrapping`` puts them in place.
"""

from __future__ import annotations

import ast
import inspect
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple

from otelprov.model import OperationKind
from otelprov.recording.column_sources import ColumnSources
from otelprov.recording.parameters import Defaults, is_plain
from otelprov.recording.plans import Explained, Plan

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]

InPlace = Literal["never", "always", "parameter"]
"""Whether a call changes ``self``: never, always, or when its parameter ``inplace`` is true."""


class Packing(NamedTuple):
    """How a function is taken out of the object that stands for it, and another put into one."""

    take_out: Callable[[Any], Callable[..., Any] | None]
    put_in: Callable[[Callable[..., Any], Any], Any]
    """From the function and the original object."""


class Entry(NamedTuple):
    """One function or method of a library, and what a call of it means.

    No dataclass: pandas has 900 of them, and each is made when a program imports it. A frozen
    dataclass of so many fields takes 9 µs, twice where it is copied, and a tuple 1.
    """

    path: str
    """``read_csv`` or ``DataFrame.merge``, seen from the library's module."""
    kind: OperationKind | Literal["step", "plan"]
    """``step`` makes no span: it only passes identities on. ``plan`` makes a lazy object, which
    carries what is read when something executes it: any operation that is none of these two
    executes the lazy objects among its arguments."""
    name: str
    """The operation's name; the span is ``<library>.<name>``. ``{self.name}`` is filled in."""
    source: str | None = None
    """Parameter that names what is read."""
    target: str | None = None
    """Parameter that names what is written."""
    data: str | None = None
    """For a write: parameter that is written; empty if what is written is no single piece of data.
    Where it is not said, it is ``self``, or the first parameter."""
    in_place: InPlace = "never"
    holds_nested: bool = True
    """Whether what functions of the user's do inside (a lambda given to ``assign``, ``apply``,
    ``loc``) belongs to this operation; else they make operations of their own."""
    counts_frames: bool = False
    """Whether it looks local variables up by counting stack frames (parameter ``level``)."""
    warns_chained: bool = False
    """Whether pandas warns of chained assignment here by counting references."""
    client: bool = False
    """Whether it talks to another system (a database)."""
    typed: bool = False
    """Whether the written file keeps the table's types, and so its id."""
    always: bool = False
    """For a step: whether it counts when the library calls it itself, too."""
    fills: bool = False
    """For a read: whether it reads into memory that nothing else writes to."""
    gives_memory: bool = False
    """For a step: whether the program can write to what it returns, behind the library's back."""
    gives_contents: bool = False
    """For a step: whether it gives a dict or list of what ``self`` holds, which is followed."""
    lazies: Callable[[Mapping[str, Any]], list[tuple[str, Plan]]] | None = None
    """The lazy objects that a call executes, or makes another of, where it is not given them;
    each with its role. ``self`` is among the parameters."""
    runs_functions: bool = False
    """For a plan: whether functions of the program's own become part of it."""
    explain: Callable[[Mapping[str, Any]], Explained | None] | None = None
    """What the engine says of the plan that it is to execute; ``self`` is among the parameters."""
    carries_parameters: bool = False
    """For a step: whether its parameters belong to the operation that follows."""
    keeps_columns: bool = False
    """For a step: whether it gives rows of its one table, with all columns as they are."""
    only_when: Callable[[Mapping[str, Any], object], bool] | None = None
    """From the parameters and ``self``: whether the call is worth a span; else it is a step."""
    collects: str | None = None
    """For a write: parameter (or ``self``) that may be an open writer, whose file is written when
    it is closed."""
    hands_over: bool = False
    """Whether it gives the same table to another library, or takes it from one: for a transform, it
    is known by its content on both sides."""
    setter: bool = False
    """For a property: whether it is its setter that is looked at."""
    lists: str | None = None
    """The first parameter, by name, where it may be an iterator, or another collection: what that
    gives is to be seen."""
    draws: str | None = None
    """The first parameter, by name, where it may be an iterator, and no other collection."""
    iterates: str | None = None
    """The first parameter, by name, where it may be an iterator that the call empties itself: the
    program's functions that it calls for that are to be seen."""
    result: Callable[[Any], object] | None = None
    """The data in what is returned, where that is packed in something else."""
    clean: Callable[[Any, bool], Any] | None = None
    """Takes out of what a read returns what otelprov itself had put into the file; is told whether
    the library itself has called, which sees what it would see."""
    around: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    """Makes the function that stands in, for the odd place that no other fact describes."""
    places: Callable[[Mapping[str, Any]], Any] | None = None
    """What is read or written, where that is not simply the value of one parameter; ``self`` is
    among the parameters."""
    prepare: Callable[[Any, Arguments, Keywords], tuple[Arguments, Keywords]] | None = None
    """May change the arguments of a write, so that the file carries its id."""
    columns: Callable[[Mapping[str, Any]], ColumnSources | None] | None = None
    """Where the columns of the result come from, as the arguments say; ``self`` is among them."""
    shows: tuple[str, ...] | None = None
    """The parameters that are recorded, where the others may be data or secrets; None for all."""
    observed: Callable[..., Any] | None = None
    """Makes the record of a call (``_calls.Observed``), where its arguments or its results mean
    more than these facts say."""
    packing: Packing | None = None
    """Where the function stands in another object, which takes its place."""
    handed: bool = False
    """Whether the program hands it to other libraries, which call it: ``df.pipe(validate)``."""
    inside: Callable[[Arguments], None] | None = None
    """Told of the calls that the library makes itself, with their arguments."""
    undo: Callable[[], None] | None = None
    """Puts back what the function that stands in has put in place itself."""

    @property
    def operation_kind(self) -> OperationKind:
        """That of a span, where a small step has to make one."""
        return "transform" if self.kind == "step" or self.kind == "plan" else self.kind


def when_called(module: str, name: str) -> Callable[..., Any]:
    """For ``observed``: a class of a room of this package that is loaded for the first call."""

    def observed(*arguments: Any) -> Any:
        return getattr(import_module(f"{__package__}.{module}"), name)(*arguments)

    return observed


QUERIED: Final = when_called("_sql", "Queried")
"""A call that reads the answer to a statement from a database."""
STORED: Final = when_called("_sql", "Stored")
"""A call that writes a table to a database."""


def read(path: str, *, source: str | None = None, **facts: Any) -> Entry:
    """A call that brings data in: used what ``source`` names, generated what it returns."""
    return Entry(path, "read", facts.pop("name", _name(path)), source=source, **facts)


def write(path: str, *, target: str | None = None, **facts: Any) -> Entry:
    """A call that puts data out: used its arguments, generated what ``target`` names."""
    return Entry(path, "write", facts.pop("name", _name(path)), target=target, **facts)


def transform(path: str, **facts: Any) -> Entry:
    """A call worth reading: used its arguments, generated what it returns or changes."""
    return Entry(path, "transform", facts.pop("name", _name(path)), **facts)


def step(path: str, **facts: Any) -> Entry:
    """A small step without a span: what it returns comes from its arguments."""
    return Entry(path, "step", facts.pop("name", _name(path)), **facts)


def query(path: str, **facts: Any) -> Entry:
    """A call that executes lazy objects and gives the result to the program."""
    return Entry(path, "query", facts.pop("name", _name(path)), **facts)


def plan(path: str, *, source: str | None = None, **facts: Any) -> Entry:
    """A call that makes a lazy object: of others, of tables in memory, of what ``source`` names."""
    return Entry(path, "plan", facts.pop("name", _name(path)), source=source, **facts)


def each(entry: Entry, *owners: str) -> list[Entry]:
    """The same entry for several classes: ``each(transform("drop"), "DataFrame", "Series")``."""
    # Not by `_replace`, which takes 3 µs.
    return [Entry(f"{owner}.{entry.path}", *entry[1:]) for owner in owners]


def suffixed(
    parameter: str, suffix: str, *, unless_there: bool = False
) -> Callable[[Mapping[str, Any]], Any]:
    """For ``places``: a library adds a suffix to the name of a file that does not have it, or only
    where there is no file of that name."""

    def place(parameters: Mapping[str, Any]) -> Any:
        file = parameters.get(parameter)
        if not isinstance(file, (str, os.PathLike)):
            return file
        path = os.fspath(file)
        if not isinstance(path, str) or path.endswith(suffix):
            return path
        return path if unless_there and os.path.exists(path) else path + suffix

    return place


def _name(path: str) -> str:
    return path.rpartition(".")[2].strip("_")


class Binder:
    """Parameters by name, as the signature of a function gives them.

    Faster than ``inspect.Signature.bind`` and forgiving: a call that does not fit the signature is
    the function's own to refuse. The signature is looked at when the function is first called: it
    takes 40 µs, and of 700 functions of pandas that are patched a program calls a few.
    """

    __slots__ = ("_function", "_method", "_read")

    def __init__(self, function: Callable[..., Any], *, method: bool, holds: bool = True) -> None:
        """``holds`` is whether the function may be held, and what it has as defaults: else they are
        the program's own, and die with it."""
        self._function = function
        self._method = method
        self._read: _Signature | None = None
        if not holds:
            self._read = _signature(function, method, holds=False)
            del self._function

    @property
    def defaults(self) -> Defaults:
        """The default values of the parameters."""
        return self._signature().defaults

    @property
    def variadic(self) -> str | None:
        """The parameter that takes up what stands behind the others."""
        return self._signature().variadic

    def bind(
        self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """All parameters with their values, and the names of those that the caller passed."""
        signature = self._read or self._signature()
        positional = signature.positional
        parameters = dict(signature.values)
        given = positional[: len(arguments)]
        parameters.update(zip(given, arguments, strict=False))
        rest = arguments[len(positional) :]
        given = list(given)
        if rest and signature.variadic:
            parameters[signature.variadic] = rest
            given.append(signature.variadic)
        if keywords:
            parameters.update(keywords)
            given.extend(keywords)
        return parameters, given

    def _signature(self) -> _Signature:
        if self._read is None:
            self._read = _signature(self._function, self._method, holds=True)
        return self._read


class _Signature(NamedTuple):
    """What a binder needs of a signature."""

    positional: list[str]
    values: dict[str, object]
    """Of the parameters that have a default."""
    variadic: str | None
    defaults: Defaults


def _signature(function: Callable[..., Any], method: bool, *, holds: bool) -> _Signature:
    positional: list[str] = []
    values: dict[str, object] = {}
    variadic: str | None = None
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a C function without a signature
        parameters = _documented(function)
        variadic = None if parameters else "arguments"
    for index, parameter in enumerate(parameters):
        if index == 0 and method:
            continue
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            variadic = parameter.name
        elif parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                positional.append(parameter.name)
            if parameter.default is not inspect.Parameter.empty and (
                holds or is_plain(parameter.default)
            ):
                values[parameter.name] = parameter.default
    return _Signature(positional, values, variadic, Defaults(values))


def _documented(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that the first line of a docstring names, as those of NumPy's C functions
    do that have no signature (``fromfile`` in 1.26), with the object of a method before them
    (``a.tofile(fid)``); empty where it does not."""
    name, _, rest = (function.__doc__ or "").strip().partition("\n")[0].partition("(")
    owner, _, name = name.rpartition(".")
    try:
        (definition,) = ast.parse(f"def {name}({owner and 'self, '}{rest}: pass").body
    except (SyntaxError, ValueError):
        return []
    if not isinstance(definition, ast.FunctionDef):
        return []
    kinds = inspect.Parameter
    said, found = definition.args, []
    places = [*said.posonlyargs, *said.args]
    defaults = [None] * (len(places) - len(said.defaults)) + said.defaults
    for one, default in zip(places, defaults, strict=True):
        found.append(kinds(one.arg, kinds.POSITIONAL_OR_KEYWORD, default=_value(default)))
    if said.vararg is not None:
        found.append(kinds(said.vararg.arg, kinds.VAR_POSITIONAL))
    for one, default in zip(said.kwonlyargs, said.kw_defaults, strict=True):
        found.append(kinds(one.arg, kinds.KEYWORD_ONLY, default=_value(default)))
    return found


def _value(default: ast.expr | None) -> object:
    """A default value; nothing for one that is not written out."""
    try:
        return inspect.Parameter.empty if default is None else ast.literal_eval(default)
    except ValueError:
        return inspect.Parameter.empty
