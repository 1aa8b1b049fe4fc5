"""What is recorded of the standard library's functions that copy, move and open files."""

from __future__ import annotations

import io
import os
import types
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from otelprov.artifacts import identify
from otelprov.artifacts.deferred import resolve
from otelprov.artifacts.locations import unknown
from otelprov.instrumentation._calls import Observed, Site
from otelprov.instrumentation._database_files import copied as database_copied
from otelprov.instrumentation._objects import put_content
from otelprov.instrumentation._table import Entry, write
from otelprov.instrumentation._wrapping import recorded, site_of
from otelprov.model import Artifact
from otelprov.recording import copies, faults, handles, places, written
from otelprov.recording.parameters import Defaults
from otelprov.recording.recorder import Call, OpenOperation
from otelprov.recording.run import run
from otelprov.recording.streams import local_path


class _Copied(Observed):
    """A file or a directory gets a copy."""

    __slots__ = ("taken",)
    moved = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.taken: list[Artifact] = []
        if self.moved:
            self._take()  # before it is gone

    def _take(self) -> None:
        path = _path(self.parameters.get("src"))
        if path is not None and os.path.lexists(path):
            found = copies.taken_from(self.operation, "src", path, moved=self.moved)
            self.taken = list(found)

    def _written(self, result: Any) -> None:
        if not self.moved:
            self._take()
        # What shutil returns is where it went: `dst` may be a directory.
        path = _path(result if result is not None else self.parameters.get("dst"))
        if path is not None:
            copies.put_at(self.operation, "dst", path, self.taken, moved=self.moved)
            source = _path(self.parameters.get("src"))
            if source is not None and self.taken:
                with faults.contained("which tables of a database were copied is not known"):
                    database_copied(self.operation, source, path)


class _Moved(_Copied):
    """A file or a directory gets another name."""

    __slots__ = ()
    moved = True


class _Poured(Observed):
    """The rest of one stream is written to another."""

    __slots__ = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        source = self.parameters.get("fsrc")
        with faults.contained("what shutil.copyfileobj reads is not known"):
            places.added_to(self.operation, "fdst", self.parameters.get("fdst"))
            put_content(self.operation, "fsrc", source)

    def _written(self, result: Any) -> None:
        target = self.parameters.get("fdst")
        if type(target) is io.BytesIO or type(target) is io.StringIO:
            self.operation.generate("fdst", identify(target))
        elif local_path(target) is not None or handles.packer(target) is not None:
            places.written_to(self.operation, "fdst", target)


class _OfArchive(Observed):
    """A call that concerns a member of an archive."""

    __slots__ = ()

    def _more(self, plain: dict[str, Any], given: list[str]) -> Defaults:
        member: Any = self.parameters.get("tarinfo") or self.parameters.get("zinfo_or_arcname")
        if not isinstance(member, str):
            member = getattr(member, "name", None) or getattr(member, "filename", None)
        plain["member"] = member
        given.append("member")
        return self.site.binder.defaults


class _Packed(_OfArchive):
    """A file is put into an archive."""

    __slots__ = ()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        archive, role = self.target, str(self.site.entry.data)
        with faults.contained(f"what {self.site.name} packs is not known"):
            places.added_to(self.operation, "archive", archive)
            put_content(self.operation, role, self.parameters.get(role))

    def _written(self, result: Any) -> None:
        places.written_to(self.operation, "archive", self.target)


class _Extracted(_OfArchive):
    """A file is taken out of an archive."""

    __slots__ = ()

    def _written(self, result: Any) -> None:
        places.read_from(self.operation, "archive", self.target, places.REREAD)
        path = _path(self.parameters.get("targetpath"))
        places.written_to(self.operation, "targetpath", path)


_SHOWN: Final = ("src", "dst")
_ENTRIES: Final[dict[str, Entry]] = {
    **{
        name: write(name, shows=_SHOWN, observed=_Copied)
        for name in ("copy", "copy2", "copyfile", "copytree")
    },
    **{name: write(name, shows=_SHOWN, observed=_Moved) for name in ("move", "replace", "rename")},
    "copyfileobj": write("copyfileobj", shows=(), observed=_Poured),
    "writestr": write("writestr", data="data", shows=("member",), observed=_Packed),
    "addfile": write(
        "addfile",
        name="add",
        data="fileobj",
        shows=("member",),
        observed=_Packed,
        only_when=lambda parameters, _: parameters.get("fileobj") is not None,
    ),
    "makefile": write("makefile", name="extract", data="", shows=("member",), observed=_Extracted),
}
_OF_ARCHIVES: Final = ("tarfile", "zipfile")


def record(
    module: str, original: Callable[..., Any], frame: types.FrameType, args: Any, kwargs: Any
) -> Any:
    """Make a call of one of these functions, and record it."""
    try:
        if module == "builtins":
            return _opened(original, frame, args, kwargs)
        if kwargs.get("src_dir_fd") is not None or kwargs.get("dst_dir_fd") is not None:
            return original(*args, **kwargs)  # names in open directories
        return recorded(_site(module, original), frame, args, kwargs)
    except BaseException as error:
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next
        raise


@lru_cache(maxsize=64)
def _site(module: str, original: Callable[..., Any]) -> Site:
    entry = _ENTRIES[original.__name__]
    return site_of(entry, module, "", original, original, method=module in _OF_ARCHIVES)


def _path(value: object) -> str | None:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, bytes):
        value = os.fsdecode(value)
    return os.path.abspath(value) if isinstance(value, str) else None


# --- open(), where that is asked for -------------------------------------------------------------

_OPEN_READ: Final = Call("builtins", "open", "read")
_OPEN_WRITE: Final = Call("builtins", "open", "write")


def _opened(original: Any, frame: types.FrameType, args: Any, kwargs: Any) -> Any:
    try:
        file = original(*args, **kwargs)
    except BaseException as error:
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next
        raise
    with faults.contained("a file that was opened is not recorded"):
        path = _path(args[0] if args else kwargs.get("file"))
        mode = str(args[1] if len(args) > 1 else kwargs.get("mode", "r"))
        if path is None or not os.path.isfile(path) or run.excludes("builtins.open"):
            return file
        if "r" in mode:
            operation = _operation(_OPEN_READ, frame, path, mode)
            places.read_from(operation, "file", path)
            operation.end()
        if "r" not in mode or "+" in mode:
            operation = _operation(_OPEN_WRITE, frame, path, mode)
            if "a" in mode or "+" in mode:
                places.read_from(operation, "file", path)
            weakref.finalize(file, _closed, operation, path, handles.stamp(path), "r" in mode)
    return file


def _operation(call: Call, frame: types.FrameType, path: str, mode: str) -> OpenOperation:
    return OpenOperation(call, frame, {"file": path, "mode": mode}, ["file", "mode"])


def _closed(
    operation: OpenOperation, path: str, before: tuple[int, int] | None, only_if_changed: bool
) -> None:
    """The file object is gone, so the file is closed."""
    with faults.contained("a file that was closed is not recorded"):
        handles.settle()
        after = handles.stamp(path)
        if after is not None and not (only_if_changed and after == before):
            before_it = written.known(path)
            made = places.written_to(operation, "file", path)
            if after[0] and before_it is None:  # no operation has written what is there
                given = None if made is None else written.given(resolve(made).id)
                if given is not None:
                    operation.use_artifact("data", given)
                else:
                    operation.use_content("data", unknown("it was not seen what is written"))
        operation.end()
