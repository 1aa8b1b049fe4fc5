"""The standard library's functions that copy and move files: what is put in place at the start.

They are loaded in every process, and libraries and the interpreter use them everywhere, so what
stands in for them is as little as can be. A call counts where the program itself makes it, or where
this process has written the file (a library's own ``atomic_write`` around a table that pandas
wrote). What records it is in ``_moves``, which is loaded for the first that counts.
"""

from __future__ import annotations

import builtins
import io
import os
import pathlib
import shutil
import sys
import types
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Final

import wrapt

from otelprov.instrumentation._programs import owner, through
from otelprov.recording import faults
from otelprov.recording.run import run

RECORDS: Final = (
    "**write**: files that are copied, moved or renamed by `shutil`, `os` and `pathlib`, or packed "
    "and extracted by `tarfile` and `zipfile`, and with `OTELPROV_RECORD_OPEN=on` those that "
    "`open()` opens"
)
ODDITIES: Final = (
    "shutil.copy, copy2, copyfile, copytree, move and copyfileobj, os.replace, os.rename and the "
    "methods of pathlib that use them are recorded where the program itself calls them, or where "
    "this process has written the file.",
    "A file of more than 16 MiB that this process has not read or written is not read because it "
    "is moved: it is known by its footer, or by its size and time.",
    "What zipfile, tarfile, shutil.make_archive and shutil.unpack_archive pack and extract is an "
    "operation for each file; what the program itself writes into a member that it opens is not.",
    "An open file that an operation has written to is looked at again when it is closed: where the "
    "program has written more to it by then, `io.write` makes the file of what it was and of "
    "something unknown (spaces and newlines at the end are nothing).",
    "With OTELPROV_RECORD_OPEN=on, a file that the program opens to write, with open() or through "
    "pathlib, gzip, bz2, lzma, zipfile or tarfile, is recorded when the file object is gone, and "
    "one that it opens to read when it is opened. What it makes of what it read is not seen: what "
    "no operation has written into a file is of unknown origin. "
    "`open.__module__` is builtins then.",
)

Undo = Callable[[], None]

_THROUGH: Final = frozenset(
    {"pathlib", "gzip", "bz2", "lzma", "zipfile", "tarfile", "codecs", "shutil"}
)
"""Modules through which a program opens, moves and packs files."""
_METHODS: Final = {
    "tarfile": ("TarFile", ("addfile", "makefile")),
    "zipfile": ("ZipFile", ("writestr",)),
}
"""What packs and extracts a file, by module and class."""


class StandIn:
    """Stands in for a function written in C.

    No function: in the body of a class (``rename = os.rename``) that would become a method.
    """

    __module__: str
    __name__: str
    __qualname__: str

    def __init__(self, original: Callable[..., Any], module: str) -> None:
        update_wrapper(self, original)
        # Where pickle looks it up: os.replace says it is of posix, where the original stays.
        self.__module__, self.__qualname__ = module, self.__name__
        self._original = original
        self._module = module
        self._moves = module == "os"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        try:
            if run.active:
                frame = _who(sys._getframe().f_back, args, kwargs)
                if frame is not None and (self._moves or owner(frame) == "program"):
                    from otelprov.instrumentation._moves import record

                    return record(self._module, self._original, frame, args, kwargs)
            return self._original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    def __eq__(self, other: object) -> bool:
        # os.rename in os.supports_dir_fd
        return other is self or other is self._original

    def __hash__(self) -> int:
        return hash(self._original)

    def __repr__(self) -> str:
        return repr(self._original)

    def __reduce__(self) -> str:
        return self.__name__


def _standing_in(original: types.FunctionType, module: str) -> types.FunctionType:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            if run.active:
                frame = _who(sys._getframe().f_back, args, kwargs)
                if frame is not None:
                    from otelprov.instrumentation._moves import record

                    return record(module, original, frame, args, kwargs)
            return original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    update_wrapper(wrapper, original)
    return wrapper  # type: ignore[return-value]


def _who(
    frame: types.FrameType | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> types.FrameType | None:
    """Whose call it is; None where it does not count, as where no code of Python's makes it: the
    interpreter at its exit (atexit), or to show a line of a traceback."""
    if frame is None:
        return None
    whose = owner(frame)
    if whose == "standard":
        if (
            frame.f_globals.get("__name__") == "shutil"
            and frame.f_code.co_name != "_unpack_zipfile"
        ):
            return None
        frame = through(frame, _THROUGH)
        if frame is None:
            return None
        whose = owner(frame)
    if whose == "program":
        return frame
    written = sys.modules.get("otelprov.recording.written")
    if written is None or not getattr(written, "names", None):  # another thread may be loading it
        return None
    source = args[0] if args else kwargs.get("src")
    if not isinstance(source, (str, os.PathLike)):
        return None
    return frame if written.is_known(os.fspath(source)) else None


def install() -> Undo:
    """Put the stand-ins in place; returns what takes them back."""
    before: list[tuple[Any, str, Any]] = []

    def put(module: Any, name: str, new: Any) -> None:
        before.append((module, name, vars(module)[name]))
        setattr(module, name, new)

    for name in ("copyfile", "copy", "copy2", "copytree", "move", "copyfileobj"):
        put(shutil, name, _standing_in(getattr(shutil, name), "shutil"))
    for name in ("replace", "rename"):
        put(os, name, StandIn(getattr(os, name), "os"))
        accessor = getattr(pathlib, "_NormalAccessor", None)
        if accessor is not None:  # Python 3.10 has looked them up already
            put(accessor, name, getattr(os, name))
    if run.settings.record_open:
        opening = StandIn(builtins.open, "builtins")
        put(builtins, "open", opening)
        put(io, "open", opening)
        accessor = getattr(pathlib, "_NormalAccessor", None)
        if accessor is not None:
            put(accessor, "open", opening)

    def pack(module: types.ModuleType) -> None:
        with faults.contained(f"what {module.__name__} packs and extracts is not recorded"):
            kind, names = _METHODS[module.__name__]
            owner = getattr(module, kind)
            for name in names if wanted else ():
                put(owner, name, _standing_in(getattr(owner, name), module.__name__))

    def undo() -> None:
        wanted.clear()
        for module, name, original in reversed(before):
            setattr(module, name, original)

    wanted = [True]
    for name in _METHODS:
        wrapt.register_post_import_hook(pack, name)
    return undo
