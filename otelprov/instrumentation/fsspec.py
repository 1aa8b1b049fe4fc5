"""fsspec: files that are carried between file systems, and open files that the program writes.

The same methods for every file system: the local one, the one in memory, s3fs and the like. The
methods of those that are asynchronous inside are made when such a file system is, by
``sync_wrapper``; they run in a thread of fsspec's own, which is why the requests of s3fs are known
by the object that they are about (botocore.py).
"""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from otelprov.artifacts import identify
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._calls import Observed, Site, add_library, begin, outside
from otelprov.instrumentation._objects import generate_at
from otelprov.instrumentation._table import Entry, read, step, write
from otelprov.instrumentation._wrapping import UNCOUNTED, recorded, relocated, site_of
from otelprov.model import Artifact
from otelprov.recording import copies, faults, places, stores
from otelprov.recording.passing import Passing, Streams
from otelprov.recording.recorder import Call, OpenOperation, current_operation
from otelprov.recording.run import run
from otelprov.recording.streams import Within, resolve

ODDITIES: Final = (
    "Files that the program opens through fsspec and reads or writes itself are recorded where "
    "they are buffered by fsspec (s3fs, gcsfs, adlfs …): when they were read to the end, or are "
    "closed. Local files and files in memory that are opened are not.",
    "File systems with an implementation of their own of get, put, copy, move, cat or pipe are "
    "recorded where these are the local one's, the one's in memory, or asynchronous ones.",
    "Asynchronous methods that the program awaits (`_cat`, `_put_file` and the like) are recorded "
    "for s3fs, gcsfs and what fsspec makes of the others; files of open_async are not.",
    "A file that the program opens through a cache (`simplecache::`, `filecache::`) is that of the "
    "cache; a chained URL that pandas reads names the object, or the archive that holds it.",
    "The version of an object is known for S3 and Google Cloud Storage; elsewhere it is what the "
    "file system says of it by itself.",
)

_OWN: Final = frozenset({"fsspec", "s3fs", "gcsfs", "adlfs", "ossfs"})
for _name in _OWN:
    add_library(_name)

_files: Final = Streams()
"""Open files of which all has passed until now."""


class _Moving(Observed):
    """A call that carries files from place to place."""

    __slots__ = ("taken",)

    _SOURCES: Final = ("rpath", "lpath", "path1")
    from_here = False
    """Whether the source is this machine's, whatever the file system."""
    to_here = False
    moved = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.taken: list[tuple[Any, list[Artifact]]] = []
        if self.moved and _protocol(self.target) in ("file", "local", "memory"):
            self._take()  # before it is gone

    def _names(self) -> tuple[str, str]:
        if self.from_here:
            return "lpath", "rpath"
        return ("rpath", "lpath") if self.to_here else ("path1", "path2")

    def _named(self, role: str) -> object:
        """What was given for a parameter, also to a method that passes all on (adlfs)."""
        given = self.parameters.get("args", ())
        if role in self.parameters or not isinstance(given, tuple):
            return self.parameters.get(role)
        return dict(zip(self._names(), given, strict=False)).get(role)

    def _take(self) -> None:
        role = self._names()[0]
        system = None if self.from_here else self.target
        for place in _expanded(system, self._named(role)):
            local = resolve(place)
            if isinstance(local, str):
                found = copies.taken_from(self.operation, role, local, moved=self.moved)
            elif isinstance(place, Within) and not self.to_here:
                to = _paths(self._named("path2"))
                there = resolve(Within(self.target, to[0])) if len(to) == 1 else local
                target = there if isinstance(there, Artifact) else local
                found = stores.copied(local, target, self.operation.begun)
                for artifact in found:
                    self.operation.use_content(role, artifact)
            else:
                found = places.read_from(self.operation, role, local)
            self.taken.append((place, list(found)))

    def returned(self, result: object) -> None:
        operation = self.operation
        operation.leave()
        try:
            if not self.taken:
                self._take()
            role = self._names()[1]
            system = None if self.to_here else self.target
            targets = _paths(self._named(role)) or [""] * self.to_here
            for number, (place, found) in enumerate(self.taken):
                name = targets[min(number, len(targets) - 1)] if targets else None
                if name is not None:
                    self._put(role, system, name, place, found)
        finally:
            self.close()

    def _put(
        self, role: str, system: Any, name: str, place: Any, found: list[Artifact]
    ) -> None:  # fmt: skip
        base = _base(place)
        at_name: Artifact | None = None
        for candidate in (name, f"{name.rstrip('/')}/{base}"):
            there = resolve(Within(system, candidate) if system is not None else candidate)
            if isinstance(there, str):
                if os.path.isfile(there) or (os.path.isdir(there) and candidate != name):
                    copies.put_at(self.operation, role, there, found, moved=self.moved)
                    return
                if os.path.isdir(there) and not os.path.exists(os.path.join(there, base)):
                    copies.put_at(self.operation, role, there, found, moved=self.moved)
                    return
            else:
                stored = stores.wrote(there, self.operation.begun)
                is_unseen = stored == [there] and there.coverage == "none"
                if is_unseen and candidate != name and not name.endswith("/"):
                    # Nobody has said where it is: a store that is not looked at. That there is a
                    # directory of the name would have to be asked of it.
                    stored = [at_name] if at_name is not None else stored
                elif is_unseen and candidate == name:
                    inside = _expanded(system, candidate) if system is not None else []
                    if len(inside) == 1 and inside[0] == Within(system, candidate):
                        at_name = there
                        continue
                    stored = [one for one in map(resolve, inside) if isinstance(one, Artifact)]
                if len(found) == 1 and found[0].coverage == "full" and len(stored) <= 2:
                    generate_at(self.operation, role, stored[0].uri or "", found[0])
                for artifact in stored:
                    self.operation.generate(role, artifact)
                return

    def failed(self, error: BaseException) -> None:
        self.operation.leave()
        self.close(error)


class _Getting(_Moving):
    __slots__ = ()
    to_here = True


class _Putting(_Moving):
    __slots__ = ()
    from_here = True


class _Renaming(_Moving):
    __slots__ = ()
    moved = True


class _Reading(Observed):
    """A call that returns what is in files."""

    __slots__ = ()

    def returned(self, result: Any) -> None:
        operation = self.operation
        operation.leave()
        try:
            for place in _expanded(self.target, _parameter(self.parameters, _PATH)):
                places.read_from(operation, "path", place)
            contents = result.values() if isinstance(result, dict) else [result]
            for content in contents:
                if isinstance(content, (bytes, str)) and operation.budget.take(len(content)):
                    operation.generate("return", identify(content))
        finally:
            self.close()

    def failed(self, error: BaseException) -> None:
        self.operation.leave()
        self.close(error)


class _Writing(Observed):
    """A call that puts bytes or a text into files."""

    __slots__ = ()

    def returned(self, result: Any) -> None:
        operation = self.operation
        operation.leave()
        try:
            path = _parameter(self.parameters, _PATH)
            value = _parameter(self.parameters, _VALUE)
            pieces = path if isinstance(path, dict) else {path: value}
            for name, value in pieces.items():
                if not isinstance(value, (bytes, bytearray, str)):
                    continue
                content = None
                if operation.budget.take(len(value)):
                    content = identify(value)
                    operation.use_content("value", content)
                _written(operation, Within(self.target, str(name)), content, operation.begun)
        finally:
            self.close()

    def failed(self, error: BaseException) -> None:
        self.operation.leave()
        self.close(error)


def _written(
    operation: OpenOperation, place: Within, content: Artifact | None, since: int
) -> None:  # fmt: skip
    found = resolve(place)
    if isinstance(found, str):
        places.written_to(operation, "path", found)
        return
    generate_at(operation, "path", found.uri or "", content)
    for artifact in stores.wrote(found, since):
        if content is None or artifact.id != content.id:
            operation.generate("path", artifact)


def _parameter(parameters: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((parameters[name] for name in names if name in parameters), None)


def _paths(value: object) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [path for one in value for path in _paths(one)]
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return [value] if isinstance(value, str) else []


def _expanded(system: Any, value: object) -> list[Any]:
    """The places that a path names, without asking anybody; a pattern is what is before it."""
    found: list[Any] = []
    for path in _paths(value):
        if any(sign in path for sign in "*?["):
            path = path[: min(path.find(sign) for sign in "*?[" if sign in path)]
            path = path.rpartition("/")[0] + "/"
        if system is None:
            found.append(path)
        elif _protocol(system) == "memory":
            found += _in_memory(system, path)
        else:
            found.append(Within(system, path))
    return found


def _in_memory(system: Any, path: str) -> Iterator[Within]:
    name = system._strip_protocol(path)
    if name in system.store:
        yield Within(system, path)
        return
    below = name.rstrip("/") + "/"
    inside = [one for one in list(system.store) if one.startswith(below)]
    yield from (Within(system, one) for one in inside)
    if not inside:
        yield Within(system, path)


def _protocol(system: Any) -> str:
    protocol = getattr(system, "protocol", "")
    return protocol if isinstance(protocol, str) else next(iter(protocol), "")


def _base(place: Any) -> str:
    path = place.name if isinstance(place, Within) else place
    return str(path.rstrip("/").rpartition("/")[2])


# --- the methods ---------------------------------------------------------------------------------

_PATH: Final = ("path", "url")
_VALUE: Final = ("value", "data")
"""Names that the file systems have for one parameter."""
_SHOWN: Final = (*_PATH, "path1", "path2", "rpath", "lpath", "recursive", "start", "end")
_METHODS: Final[dict[str, tuple[Callable[..., Entry], type[Observed]]]] = {
    **dict.fromkeys(("get", "get_file", "download"), (read, _Getting)),
    **dict.fromkeys(("put", "put_file", "upload"), (write, _Putting)),
    **dict.fromkeys(("copy", "cp", "cp_file"), (write, _Moving)),
    **dict.fromkeys(("mv", "move", "rename", "mv_file"), (write, _Renaming)),
    **dict.fromkeys(("cat", "cat_file", "read_bytes", "read_text"), (read, _Reading)),
    **dict.fromkeys(("pipe", "pipe_file", "write_bytes", "write_text"), (write, _Writing)),
}


def entry(name: str, owner: str) -> Entry:
    """One of the methods that carry files, of a class."""
    kind, observed = _METHODS[name]
    return kind(f"{owner}.{name}", name=name, shows=_SHOWN, observed=observed)


def _spec() -> Iterable[Entry]:
    for name in _METHODS:
        yield entry(name, "AbstractFileSystem")
    yield step("AbstractBufferedFile.read", around=_reading)
    yield step("AbstractBufferedFile.write", around=_writing)
    yield step("AbstractBufferedFile.close", around=_closing)


def _local() -> Iterable[Entry]:
    for name in ("get_file", "put_file", "cp_file", "mv", "mv_file"):
        yield entry(name, "LocalFileSystem")


def _memory() -> Iterable[Entry]:
    for name in ("pipe_file", "cp_file", "cat_file"):
        yield entry(name, "MemoryFileSystem")


def _asyn() -> Iterable[Entry]:
    yield step("sync_wrapper", around=_synchronising)
    for name in ("cat", "pipe", "get", "put", "copy"):
        yield awaited(name, "AsyncFileSystem")


FILES: Final = ("cat_file", "pipe_file", "get_file", "put_file", "cp_file")
"""What each asynchronous file system has of its own."""


def awaited(name: str, owner: str) -> Entry:
    """The asynchronous form of one of the methods that carry files, where the program awaits it."""
    return step(f"{owner}._{name}", around=partial(_awaiting, name))


def _awaiting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    version = getattr(sys.modules["fsspec"], "__version__", "")
    like = entry(name, "AsyncFileSystem")
    site = site_of(like, "fsspec", version, original, original, method=True)

    async def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        begun = None
        if run.active:
            with faults.contained(site.not_recorded):
                begun = _begun(site, (self, *args), kwargs, sys._getframe(1))
        try:
            result = await original(self, *args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            if begun is not None:
                with faults.contained(site.end_not_recorded):
                    begun.failed(error)
            raise
        if begun is not None:
            with faults.contained(site.end_not_recorded):
                begun.returned(result)
        return result

    return wrapper


def _begun(site: Site, args: Any, kwargs: Any, frame: types.FrameType) -> Observed | None:
    # The tasks of a call, and what waits for one in fsspec's own thread, know its operation.
    place = _program(frame)
    found = begin(site, args, kwargs, place) if place is not None else None
    if not isinstance(found, Observed):
        return None
    found.operation.enter()
    return found


def _synchronising(original: Callable[..., Any]) -> Callable[..., Any]:
    # Bounded: an AsyncFileSystemWrapper has functions of its own in each object.
    @functools.lru_cache(256)
    def site(name: str, like: Any) -> Site:
        version = getattr(sys.modules["fsspec"], "__version__", "")
        method = _method(name, original)
        return site_of(entry(name, "AsyncFileSystem"), "fsspec", version, method, like, method=True)

    def wrapper(func, obj=None):  # type: ignore[no-untyped-def]
        plain = original(func, obj)
        if obj is not None and run.active:
            with faults.contained(f"{func!r} is not recorded"):
                name = getattr(func, "__name__", "").removeprefix("_")
                if name in _METHODS and func == getattr(obj, f"_{name}", None):
                    found = site(name, getattr(func, "__func__", func))
                    return _like(plain, _Method(found, obj))
        return plain

    return wrapper


def _method(name: str, synchronise: Callable[..., Any]) -> Callable[..., Any]:
    """A method of an asynchronous file system, as ``sync_wrapper`` would make it."""

    def method(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            return synchronise(getattr(self, f"_{name}"), self)(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return method


class _Method:
    """A method of one file system, recorded."""

    __slots__ = ("_site", "_system")

    def __init__(self, site: Site, system: Any) -> None:
        self._site = site
        self._system = system

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            frame: types.FrameType | None = sys._getframe(1)
            while frame is not None and frame.f_code.co_filename.endswith(UNCOUNTED):
                frame = frame.f_back
            arguments = (self._system, *args)
            if frame is None or not run.active:
                return self._site.function(*arguments, **kwargs)
            return recorded(self._site, frame, arguments, kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        # cloudpickle takes the function that calls this one apart. Where it is put together again,
        # nothing of ours may be installed.
        return getattr, (self._system, self._site.entry.name)


def _like(plain: Any, method: Callable[..., Any]) -> Callable[..., Any]:
    """A function that looks like ``plain``, and may be written to: fsspec gives a docstring to each
    that has none, which a bound method refuses."""

    def function(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            return method(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise

    function.__code__ = _uncounted(function.__code__, "fsspec", plain.__name__)
    functools.update_wrapper(function, plain)
    function.__dict__.update(plain.__dict__)  # __wrapped__ as there
    return function


_uncounted = functools.cache(relocated)


# --- open files ----------------------------------------------------------------------------------


def _reading(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, length=-1):  # type: ignore[no-untyped-def]
        start = self.loc
        try:
            out = original(self, length)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        if run.active and (_files or not start):
            with faults.contained("what was read of an open file is not known"):
                _read(self, start, out, sys._getframe().f_back)
        return out

    return wrapper


def _read(file: Any, start: int, piece: bytes, frame: types.FrameType | None) -> None:
    passing = _files.of(file)
    if passing is None:
        if start or not piece or _program(frame) is None:
            return
        passing = _files.follow(file)
    if start != passing.bytes:
        _files.forget(file)
        return
    passing.take(piece)
    if passing.bytes != file.size:
        return
    _files.forget(file)
    place = _program(frame)
    if place is None:
        return
    operation = _operation("read", "read", place, file)
    found = resolve(file)
    if isinstance(found, Artifact):
        for artifact in stores.read(found, passing.begun):
            operation.use_content("self", artifact)
    operation.generate("return", passing.artifact())
    operation.end()


def _writing(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self, data):  # type: ignore[no-untyped-def]
        start = self.loc
        try:
            out = original(self, data)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            _files.forget(self)
            raise
        if run.active:
            with faults.contained("what was written to an open file is not known"):
                passing = _files.of(self)
                if passing is None and not start and self.mode in ("wb", "xb"):
                    passing = _files.follow(self)
                if passing is not None:
                    passing.take(data)
        return out

    return wrapper


def _closing(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self):  # type: ignore[no-untyped-def]
        passing = _files.of(self) if _files else None
        try:
            original(self)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            _files.forget(self)
            raise
        if passing is not None:
            with faults.contained("a file that was closed was not recorded"):
                _files.forget(self)
                _closed(self, passing, sys._getframe().f_back)

    return wrapper


def _program(frame: types.FrameType | None) -> types.FrameType | None:
    """Where the program itself uses an open file; None where pandas does, or a method of fsspec."""
    current = current_operation()
    if frame is None or (current is not None and current.call.library in _OWN):
        return None
    return outside(frame, _OWN)


def _closed(file: Any, passing: Passing, frame: types.FrameType | None) -> None:
    place = _program(frame)
    if place is None or file.mode not in ("wb", "xb") or not getattr(file, "autocommit", True):
        return
    if passing.bytes != file.loc:
        return
    operation = _operation("write", "write", place, file)
    content = passing.artifact()
    identity = registry.lookup(file)
    if identity is not None:  # pandas has written into it
        operation.use("data", identity)
    else:
        operation.use_content("data", content)
    _written(operation, Within(file.fs, file.path), content, passing.begun)
    operation.end()


def _operation(name: str, kind: Any, frame: types.FrameType, file: Any) -> OpenOperation:
    version = getattr(sys.modules["fsspec"], "__version__", None)
    shown = {"path": file.path, "mode": file.mode}
    return OpenOperation(
        Call("fsspec", f"{type(file).__name__}.{name}", kind, version), frame, shown, ["path"]
    )  # fmt: skip


TABLES = {
    "fsspec.spec": _spec,
    "fsspec.asyn": _asyn,
    "fsspec.implementations.local": _local,
    "fsspec.implementations.memory": _memory,
}
