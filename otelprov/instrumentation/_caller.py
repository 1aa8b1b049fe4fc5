"""Calls made in a caller's place, for functions that look the caller's variables up.

DuckDB reads a table that it does not know from a Python variable of that name: it looks into the
frame that runs (from 2.0 on the first that is not its own), its locals, then its globals. A
function in front of it is a frame between, and hides them. So the call is made from a small piece
of code that is evaluated with the caller's own variables, under its file, name and line: what
DuckDB finds there is what it finds without us, messages name the same line, and warnings go to the
same module. The locals are only looked at when DuckDB asks for them: to ask a frame of CPython 3.12
or older for them keeps all of them alive until it ends.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator, KeysView, Mapping
from functools import partial
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any, Final

from otelprov.recording import faults

_CALL: Final = compile("987654321 .call()", "<caller>", "eval")
"""``<constant>.call()``, where the constant is another for each call."""
assert _CALL.co_consts == (987_654_321,), "this Python compiles it in another way"


class InPlace:
    """A call that is made in its caller's place, where the piece of code finds it."""

    __slots__ = ("call",)

    def __init__(self, function: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        self.call = partial(function, *arguments, **keywords)


def is_in_place(code: CodeType) -> bool:
    """Whether it is such a piece of code: what runs in it is the library, and not its caller."""
    constants = code.co_consts
    return bool(constants) and type(constants[0]) is InPlace


class Watched:
    """What is recorded of a call that is made in its caller's place."""

    __slots__ = ("looked_up",)

    def __init__(self) -> None:
        self.looked_up = False
        """Whether the caller's variables were looked at."""

    def returned(self, result: Any) -> None:
        """The call has returned."""

    def failed(self, error: BaseException) -> None:
        """The call has raised."""

    def close(self, error: BaseException | None = None) -> None:
        """It is over, whatever came between."""


Before = Callable[[FrameType, tuple[Any, ...], dict[str, Any]], "Watched | None"]


class Variables(Mapping[str, Any]):
    """The local variables of a frame, looked at when somebody asks."""

    __slots__ = ("_frame", "_watched")

    def __init__(self, frame: FrameType, watched: Watched | None) -> None:
        self._frame = frame
        self._watched = watched

    def _found(self) -> Mapping[str, Any]:
        if self._watched is not None:
            self._watched.looked_up = True
        return self._frame.f_locals

    def keys(self) -> KeysView[str]:
        return self._found().keys()

    def __getitem__(self, name: str) -> Any:
        return self._found()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())


def in_callers_place(original: Callable[..., Any], before: Before, missing: str) -> Any:
    """``original``, called as if by the code that calls what this returns.

    ``before`` is given the caller's frame and the arguments, and gives what is to be told of the
    call; ``missing`` says what is, after a fault in there.
    """

    def begin(frame: FrameType, arguments: Any, keywords: Any) -> tuple[Watched | None, Any]:
        watched = None
        try:
            watched = before(frame, arguments, keywords)
        except Exception as fault:
            faults.tell(missing, fault)
        return watched, Variables(frame, watched)

    def end(watched: Watched, result: Any) -> None:
        try:
            watched.returned(result)
        except Exception as fault:
            _given_up(watched, missing, fault)
        except BaseException:  # Ctrl-C
            watched.close()
            raise

    def fail(watched: Watched | None, error: BaseException) -> None:
        try:
            error.__traceback__ = _without_ours(error.__traceback__)
            if watched is not None:
                watched.failed(error)
        except Exception as fault:
            _given_up(watched, missing, fault, error)
        except BaseException:  # Ctrl-C
            if watched is not None:
                watched.close(error)
            raise

    def tell(fault: BaseException) -> None:
        if not isinstance(fault, Exception):
            raise fault
        faults.tell(missing, fault)

    # DuckDB can be told to look into every frame of the stack (python_scan_all_frames), and a table
    # may be called `args`: hence odd names here, and no globals.
    _otelprov_begin, _otelprov_end, _otelprov_fail, _otelprov_tell = begin, end, fail, tell
    _otelprov_frame, _otelprov_original = sys._getframe, original
    _otelprov_code, _otelprov_call = _CALL, InPlace

    def wrapper(*_otelprov_args, **_otelprov_keywords):  # type: ignore[no-untyped-def]
        try:
            _otelprov_caller = _otelprov_frame(1)
        except ValueError:  # no code of Python's calls it
            return _otelprov_original(*_otelprov_args, **_otelprov_keywords)
        _otelprov_watched = _otelprov_locals = None
        try:
            _otelprov_watched, _otelprov_locals = _otelprov_begin(
                _otelprov_caller, _otelprov_args, _otelprov_keywords
            )
        except BaseException as _otelprov_fault:  # Ctrl-C; or the limit of the recursion
            _otelprov_tell(_otelprov_fault)
        if _otelprov_locals is None:
            _otelprov_locals = _otelprov_caller.f_locals
        _otelprov_now = _otelprov_call(_otelprov_original, _otelprov_args, _otelprov_keywords)
        try:
            _otelprov_result = eval(  # noqa: S307
                _otelprov_code.replace(
                    co_consts=(_otelprov_now,),
                    co_filename=_otelprov_caller.f_code.co_filename,
                    co_name=_otelprov_caller.f_code.co_name,
                    co_firstlineno=_otelprov_caller.f_lineno or 1,
                ),
                _otelprov_caller.f_globals,
                _otelprov_locals,
            )
        except BaseException as _otelprov_error:
            _otelprov_fail(_otelprov_watched, _otelprov_error)
            raise
        finally:
            # Whoever keeps the code of a frame is not to keep the connection.
            del _otelprov_caller, _otelprov_now.call
        if _otelprov_watched is not None:
            _otelprov_end(_otelprov_watched, _otelprov_result)
        return _otelprov_result

    return FunctionType(
        wrapper.__code__,
        {"__builtins__": builtins, "__name__": "duckdb"},
        wrapper.__name__,
        None,
        wrapper.__closure__,
    )


def _given_up(
    watched: Watched | None, missing: str, fault: Exception, error: BaseException | None = None
) -> None:
    if watched is not None:
        with faults.contained(missing):
            watched.close(error)
    faults.tell(missing, fault)


def _without_ours(traceback: TracebackType | None) -> TracebackType | None:
    """Without the stand-in and the piece of code that it evaluates."""
    for _ in range(2):
        if traceback is not None:
            traceback = traceback.tb_next
    return traceback
