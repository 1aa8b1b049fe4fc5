"""The public API: operations and artifacts that cannot be seen from outside.

This module imports the API of OpenTelemetry and nothing more. The recording, and with it the SDK,
is loaded when something is recorded.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from types import CodeType, FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

from opentelemetry import trace

from otelprov.recording import faults

if TYPE_CHECKING:
    from otelprov.model import Artifact, OperationKind
    from otelprov.recording.recorder import OpenOperation

F = TypeVar("F", bound=Callable[..., Any])

# What is missing after a fault.
_NOT_RECORDED = "an operation was not recorded"
_NOT_ENDED = "the end of an operation was not recorded"
_NOT_USED = "a used artifact was not recorded"
_NOT_GENERATED = "a generated artifact was not recorded"


def artifact(value: object) -> Artifact:
    """What a piece of data is: its artifact, with the id under which lineage knows it.

    A ``str`` or path names a file, directory or URL; anything else is taken as the data itself.
    An object that a recorded operation made has the id it was given there; any other gets its
    content id. A query that was not run yet (a DuckDB relation, a Polars ``LazyFrame``) is run for
    it, and the files of a pyarrow ``Dataset`` are read.
    """
    from otelprov.artifacts import identify, identify_location, identify_path
    from otelprov.artifacts.deferred import resolve
    from otelprov.artifacts.registry import registry

    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        return identify_location(text) if "://" in str(text) else identify_path(text)
    identity = registry.lookup(value)
    if identity is not None and identity.artifact is not None:
        return resolve(identity.artifact)
    return identify(value, query=True)


def used(value: object, *, role: str = "used") -> None:
    """Say that the operation that is running read ``value`` (see ``artifact``)."""
    with faults.contained(_NOT_USED):
        open_operation = _current()
        if open_operation is not None:
            _declared().use(open_operation, role, value)


def generated(value: object, *, role: str = "generated") -> None:
    """Say that the operation that is running made ``value`` (see ``artifact``)."""
    with faults.contained(_NOT_GENERATED):
        open_operation = _current()
        if open_operation is not None:
            _declared().generate(open_operation, role, value)


def register_identity(
    class_: type | str,
    *,
    kind: Literal["object", "model", "table"] = "object",
    name: str | None = None,
) -> Callable[[F], F]:
    """Say what the objects of a class hold, so that they have ids by content::

        @otelprov.register_identity(Quantity)
        def _(quantity):
            return quantity.values, quantity.unit

    The function returns the content: any values that have ids, alone or in a tuple, list or dict.
    It holds for classes that inherit from ``class_`` too, unless a nearer base is described. It is
    called whenever an object of the class is identified, by any thread; when it raises, the object
    has no content id, and the reason says so.

    Args:
        class_: the class, or its full name (``"torch.nn.Module"``): nothing is imported for it.
        kind: what the objects are. Of a ``table`` the function returns the table, and the id is
            that of the table.
        name: what stands for the class in the id instead of its own name: then the id stays when
            the class moves, and those that inherit from it count as the same.

    Raises:
        TypeError: for a class whose form is in the specification, such as ``list``.
        ValueError: for an unknown kind, or a name without a module.
    """
    # What otelprov itself says of classes is said first, so that this counts.
    from otelprov.artifacts import objects  # noqa: F401
    from otelprov.artifacts.registration import register

    return register(class_, kind=kind, name=name)


def enable() -> None:
    """Record this process from now on, as ``opentelemetry-instrument`` does from the start.

    For a notebook or a REPL: call it first. What was made before is unknown then, as are functions
    that the program has put into its own objects; names that it has imported (``from pandas import
    read_csv``) are replaced, in ``__main__`` and its modules. Harmless when it is called again.
    """
    from importlib.metadata import entry_points

    for entry_point in entry_points(group="opentelemetry_instrumentor"):
        if entry_point.name == "otelprov" or entry_point.name.startswith("otelprov_"):
            instrumentor = entry_point.load()()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument()


@overload
def operation(name: F, /) -> F: ...


@overload
def operation(
    name: str | None = None,
    *,
    kind: OperationKind = "task",
    parameters: Mapping[str, object] | None = None,
) -> Operation: ...


def operation(
    name: Any = None,
    *,
    kind: OperationKind = "task",
    parameters: Mapping[str, object] | None = None,
) -> Any:
    """One operation: a decorator for functions, or a block.

    ``@operation`` and ``@operation("name")`` take functions, coroutine functions, generators and
    async generators: used are the data among the arguments, generated the data returned or
    yielded. ``with operation("name") as op`` is told by ``op.used`` and ``op.generated``.

    Args:
        name: of the operation and its span; the function's qualified name if left out.
        kind: what it does, ``task`` unless said.
        parameters: further parameters to write down.
    """
    if callable(name):
        return Operation(None, kind, {})(name)
    return Operation(name, kind, dict(parameters or {}))


class Operation:
    """What ``operation`` gives: a context manager and a decorator.

    Here, where every block passes, ``try`` stands in place of ``faults.contained``, which takes
    half a microsecond each time.
    """

    def __init__(
        self, name: str | None, kind: OperationKind, parameters: dict[str, object]
    ) -> None:
        self.name = name
        self.kind: OperationKind = kind
        self.parameters = parameters
        self._open: OpenOperation | None = None

    def used(self, value: object, *, role: str = "used") -> None:
        """The block read ``value``: an object, a path or a URL."""
        if self._open is not None:
            try:
                _loaded.use(self._open, role, value)
            except Exception as error:
                faults.tell(_NOT_USED, error)

    def generated(self, value: object, *, role: str = "generated") -> None:
        """The block made ``value``: an object, a path or a URL."""
        if self._open is not None:
            try:
                _loaded.generate(self._open, role, value)
            except Exception as error:
                faults.tell(_NOT_GENERATED, error)

    def __enter__(self) -> Operation:
        try:
            if _records():
                name, declared = self.name or "operation", _loaded or _declared()
                self._open = declared.begin(self.kind, name, self.parameters, sys._getframe(1))
                if self._open is not None:
                    self._open.enter()
        except Exception as error:
            faults.tell(_NOT_RECORDED, error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._open is None:
            return
        try:
            open_operation, self._open = self._open, None
            try:
                open_operation.leave()
            finally:
                open_operation.end(error)
        except Exception as fault:
            faults.tell(_NOT_ENDED, fault)

    def __call__(self, function: F) -> F:
        """Decorate ``function``."""
        wrap: Callable[[_Decorated, Any], Any]
        if inspect.isasyncgenfunction(function):
            wrap = _wrap_async_generator
        elif inspect.iscoroutinefunction(function):
            wrap = _wrap_coroutine
        elif inspect.isgeneratorfunction(function):
            wrap = _wrap_generator
        else:
            wrap = _wrap_function
        return cast(F, functools.wraps(function)(wrap(_Decorated(self, function), function)))


# --- the four shapes of function -----------------------------------------------------------------


def _wrap_function(self: _Decorated, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _Call(self, args, kwargs)
        with call:
            result = function(*args, **kwargs)
        call.returned(result)
        return result

    return wrapper


def _wrap_coroutine(self: _Decorated, function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _Call(self, args, kwargs)
        with call:
            result = await function(*args, **kwargs)
        call.returned(result)
        return result

    return wrapper


def _wrap_generator(self: _Decorated, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        call = _Call(self, args, kwargs, keep=StopIteration)
        generator = function(*args, **kwargs)
        if not call.recorded:
            return (yield from generator)
        # The operation is the current one only while the generator itself runs, not while its
        # consumer does: hence no `yield` inside `with call`.
        resume = functools.partial(next, generator)
        while True:
            try:
                with call:
                    item = resume()
            except StopIteration as stop:
                call.returned(stop.value)
                return stop.value
            call.yielded(item)
            try:
                sent = yield item
            except GeneratorExit:
                with call:
                    generator.close()
                call.returned(None)
                raise
            except BaseException as error:
                resume = functools.partial(generator.throw, error)
            else:
                resume = functools.partial(generator.send, sent)

    return wrapper


def _wrap_async_generator(self: _Decorated, function: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        call = _Call(self, args, kwargs, keep=StopAsyncIteration)
        generator = function(*args, **kwargs)
        resume = generator.__anext__
        while True:
            try:
                with call:
                    item = await resume()
            except StopAsyncIteration:
                call.returned(None)
                return
            call.yielded(item)
            try:
                sent = yield item
            except GeneratorExit:
                with call:
                    await generator.aclose()
                call.returned(None)
                raise
            except BaseException as error:
                resume = functools.partial(generator.athrow, error)
            else:
                resume = functools.partial(generator.asend, sent)

    return wrapper


class _Call:
    """One call of a decorated function. The block is where the function's own code runs.

    Whatever goes wrong in here stays in here: then nothing is recorded.
    """

    __slots__ = ("_keep", "_open")

    def __init__(
        self,
        made_by: _Decorated,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        keep: type[Exception] | tuple[()] = (),
    ) -> None:
        """``keep`` is an exception that is no failure."""
        self._keep = keep
        self._open: OpenOperation | None = None
        with faults.contained(_NOT_RECORDED):
            if _records():
                function, own = made_by.function, made_by.own
                name, parameters = own.name or function.__qualname__, made_by.bound(args, kwargs)
                self._open = _declared().begin(own.kind, name, parameters, None, function)

    @property
    def recorded(self) -> bool:
        return self._open is not None

    def __enter__(self) -> None:
        with faults.contained(_NOT_RECORDED):
            if self._open is not None:
                self._open.enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with faults.contained(_NOT_ENDED):
            if self._open is None:
                return
            goes_on = error is None or isinstance(error, self._keep)
            try:
                self._open.leave()
            finally:  # it does not stay the current operation, whatever comes between
                if goes_on:
                    self._open.leave()
                else:
                    self._open.end(error)

    def yielded(self, item: object) -> None:
        with faults.contained(_NOT_GENERATED):
            if self._open is not None:
                _declared().generate(self._open, "yield", item, plain=False)

    def returned(self, result: object) -> None:
        with faults.contained(_NOT_ENDED):
            if self._open is not None:
                try:
                    _declared().generate(self._open, "return", result, plain=False)
                finally:
                    self._open.end()


class _Decorated:
    """A function that ``operation`` has decorated, and its signature."""

    __slots__ = ("_made_of", "_names", "_required", "_simple", "_values", "function", "own")

    def __init__(self, own: Operation, function: Any) -> None:
        self.own = own
        self.function = function
        self._made_of: object = None
        self._simple = False
        self._names: tuple[str, ...] = ()
        self._values: dict[str, object] = {}
        """All parameters in their order, with their defaults."""
        self._required: tuple[str, ...] = ()

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, object]:
        """The parameters of a call, and those that ``operation`` was given."""
        parameters: dict[str, object] = dict(self.own.parameters)
        found = self._bound_simply(args, kwargs)
        if found is not None:
            parameters.update(found)
            return parameters
        try:
            bound = inspect.signature(self.function).bind(*args, **kwargs)
            bound.apply_defaults()
        except (TypeError, ValueError) as error:  # the call itself will raise
            if faults.is_of_the_program(error):
                raise
            return parameters
        for parameter in bound.signature.parameters.values():
            value = bound.arguments[parameter.name]
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                parameters.update(value)
            else:
                parameters[parameter.name] = value
        return parameters

    def _bound_simply(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, object] | None:
        """As ``inspect`` does it in 30 µs, for a plain function with plain parameters; None for
        other functions, and for a call that the function will refuse."""
        function = self.function
        if type(function) is not FunctionType:
            return None
        made_of = (function.__code__, function.__defaults__)
        before = self._made_of
        if not (type(before) is tuple and before[0] is made_of[0] and before[1] is made_of[1]):
            self._look_at(function, *made_of)
        if not self._simple or function.__kwdefaults__ or function.__dict__:
            return None  # defaults in a dict may be changed; __signature__ says something else
        values = self._values.copy()
        if len(args) > len(values):
            return None
        values.update(zip(self._names, args, strict=False))
        for name, value in kwargs.items():
            if name not in values or (args and name in self._names[: len(args)]):
                return None  # unknown, or given twice
            values[name] = value
        for name in self._required:
            if values[name] is _MISSING:
                return None
        return values

    def _look_at(self, function: FunctionType, code: CodeType, defaults: Any) -> None:
        number = code.co_argcount
        # *args, **kwargs, and those that are given only by position or only by name.
        self._simple = (
            not code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
            and not code.co_kwonlyargcount
            and not code.co_posonlyargcount
        )
        names, defaults_ = code.co_varnames[:number], defaults or ()
        self._names = names
        self._required = names[: number - len(defaults_)]
        self._values = dict.fromkeys(self._required, _MISSING)
        self._values.update(zip(names[len(self._required) :], defaults_, strict=True))
        self._made_of = (code, defaults)


_MISSING: Any = object()


# --- towards the recording -----------------------------------------------------------------------


def _records() -> bool:
    """Whether an SDK is there that records."""
    global _recording_provider
    provider = trace.get_tracer_provider()
    if provider is _recording_provider:
        return True
    if isinstance(provider, (trace.ProxyTracerProvider, trace.NoOpTracerProvider)):
        return False
    _recording_provider = provider
    return True


_recording_provider: trace.TracerProvider | None = None


def _declared() -> Any:
    """What does the recording; loaded when there is something to record."""
    global _loaded
    if _loaded is None:
        from otelprov.recording import declared
        from otelprov.recording.measures import measures

        measures.begin(_metrics)
        _loaded = declared
    return _loaded


_loaded: Any = None


def _metrics(provider: Any) -> Any:
    from otelprov import metrics  # not loaded where nobody reads metrics

    return metrics.prepare(provider)


def _current() -> OpenOperation | None:
    if not _records():
        return None
    from otelprov.recording.recorder import current_operation

    return current_operation()
