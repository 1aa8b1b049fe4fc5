"""obstore: objects that are put, got, copied and renamed by its functions or a store's methods."""

from __future__ import annotations

import os
import secrets
import sys
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any, Final

from otelprov.artifacts import identify, identify_location
from otelprov.instrumentation._calls import Observed, Site, begin, outside
from otelprov.instrumentation._objects import put_content, read_file, stored_as
from otelprov.instrumentation._table import Entry, read, step, write
from otelprov.instrumentation._wrapping import site_of
from otelprov.model import Artifact
from otelprov.recording import copies, faults, places, stores
from otelprov.recording.run import run
from otelprov.recording.streams import version_of

ODDITIES: Final = (
    "get, put, copy, rename and get_range are recorded, also in their asynchronous forms: from the "
    "call until the store has answered. open_reader and open_writer are not.",
    "What get gives is read in Rust: the object is used in the version that the store names, and "
    "the bytes that come of it are of unknown origin.",
    "What copy and rename make is known by its name: obstore does not say its version, and the "
    "store is not asked. Who reads it next knows a version, of unknown origin.",
)
_SCHEMES: Final = {
    "S3Store": "s3",
    "GCSStore": "gs",
    "AzureStore": "az",
    "MemoryStore": "memory",
    "HTTPStore": "http",
    "LocalStore": "file",
}


def _place(store: Any, path: str) -> str:
    """The local path or the URI of an object."""
    kind = next((one.__name__ for one in type(store).__mro__ if one.__name__ in _SCHEMES), "store")
    prefix = getattr(store, "prefix", None)  # one in memory has none
    if kind == "LocalStore":
        return os.path.join(os.path.abspath(prefix or os.sep), path.lstrip("/"))
    below = str(prefix or "").strip("/")
    name = f"{below}/{path.lstrip('/')}" if below else path.lstrip("/")
    if kind == "HTTPStore":
        return f"{str(store.url).rstrip('/')}/{name}"
    config = getattr(store, "config", None) or {}
    bucket = config.get("bucket") or config.get("container_name") or _name_of(store)
    return f"{_SCHEMES.get(kind, kind)}://{bucket}/{name}"


_in_memory: Final[dict[int, tuple[weakref.ref[Any], str]]] = {}


def _name_of(store: Any) -> str:
    """Of a store that is nowhere but in this process. Its address may be another's later, whose
    versions are counted from 0 again; and in a forked child it goes its own way."""
    address = id(store)
    if address not in _in_memory:
        gone = weakref.ref(store, lambda _: _in_memory.pop(address, None))
        _in_memory[address] = gone, secrets.token_hex(8)
    return f"{_in_memory[address][1]}-{os.getpid()}"


def _details(said: Any) -> dict[str, Any]:
    """What the store says of a version, as S3's own clients name it."""
    found = {"ETag": said.get("e_tag"), "VersionId": said.get("version"), "size": said.get("size")}
    return {name: value for name, value in found.items() if value is not None}


class _Stored(Observed):
    """A call about one object or two."""

    __slots__ = ()

    def at(self, parameter: str) -> str:
        """Where the object is that a parameter names."""
        store = self.target if self.target is not None else self.parameters["store"]
        return _place(store, str(self.parameters[parameter]))

    def use(self, parameter: str, details: dict[str, Any] | None = None) -> list[Artifact]:
        """Say that an object was read."""
        where = self.at(parameter)
        if "://" not in where:
            return list(copies.taken_from(self.operation, parameter, where, moved=False))
        if details:
            stores.note(where, details, written=False)
        artifact = version_of(where, details) if details else identify_location(where)
        self.operation.use_content(parameter, artifact)
        return [artifact]

    def failed(self, error: BaseException) -> None:
        self.operation.leave()
        self.close(error)


class _Got(_Stored):
    __slots__ = ()

    def returned(self, result: Any) -> None:
        self.operation.leave()
        try:
            meta = getattr(result, "meta", None)
            self.use("path", _details(meta) if meta is not None else None)
            if meta is None and self.operation.budget.take(len(result)):
                self.operation.generate("return", identify(bytes(result)))
        finally:
            self.close()


class _Put(_Stored):
    __slots__ = ("content",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        body = self.parameters.get("file")
        if isinstance(body, os.PathLike):
            self.content = read_file(self.operation, "file", body)
        else:
            self.content = put_content(self.operation, "file", body)

    def returned(self, result: Any) -> None:
        operation = self.operation
        operation.leave()
        try:
            where = self.at("path")
            if "://" not in where:
                places.written_to(operation, "path", where)
                return
            details = _details(result)
            if details:
                stores.note(where, details, written=True)
            stored_as(operation, "path", where, details, self.content)
        finally:
            self.close()


class _Copied(_Stored):
    __slots__ = ("taken",)
    moved = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.taken = self.use("from_")  # before it is gone

    def returned(self, result: Any) -> None:
        self.operation.leave()
        try:
            where = self.at("to")
            if "://" in where:
                self.operation.generate("to", identify_location(where))
            else:
                copies.put_at(self.operation, "to", where, self.taken, moved=self.moved)
        finally:
            self.close()


class _Renamed(_Copied):
    __slots__ = ()
    moved = True


# --- asynchronous forms ---------------------------------------------------------------------------
#
# They return futures that are at work already, and the program gets these very objects.

_OWN: Final = frozenset({"obstore"})


def _in_future(kind: Callable[..., Entry], name: str, observed: type[Observed]) -> Any:
    """For a function that returns a future."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        entry = kind(name, name=name, shows=_SHOWN, observed=observed, client=True)
        version = getattr(sys.modules["obstore"], "__version__", "")
        site = site_of(entry, "obstore", version, original, original, method=False)

        def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
            begun = None
            if run.active:
                with faults.contained(site.not_recorded):
                    begun = _begun(site, args, kwargs, sys._getframe(1))
            try:
                future = original(*args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                if begun is not None:
                    with faults.contained(site.end_not_recorded):
                        begun.failed(error)
                raise
            if begun is not None:
                with faults.contained(site.end_not_recorded):
                    future.add_done_callback(partial(_done, begun))
            return future

        return wrapper

    return around


def _begun(site: Site, args: Any, kwargs: Any, frame: FrameType) -> Observed | None:
    place = outside(frame, _OWN)
    found = begin(site, args, kwargs, place) if place is not None else None
    if not isinstance(found, Observed):
        return None
    found.operation.announce()
    return found


def _done(begun: Observed, future: Any) -> None:
    """The store has answered. ``exception()`` would count as the program's having looked at it."""
    with faults.contained(begun.site.end_not_recorded):
        if future.cancelled():
            begun.failed(sys.modules["asyncio"].CancelledError())
        elif future._exception is not None:
            begun.failed(future._exception)
        else:
            begun.returned(future.result())


_SHOWN: Final = ("path", "from_", "to", "start", "end", "length")


def _functions() -> Iterable[Entry]:
    # The class of the methods has two names: that of older versions is the second.
    for owner in ("", "store.ObjectStoreMethods.", "store._ObjectStoreMixin."):
        for name, kind, observed in (
            ("get", read, _Got),
            ("get_range", read, _Got),
            ("put", write, _Put),
            ("copy", write, _Copied),
            ("rename", write, _Renamed),
        ):
            yield kind(f"{owner}{name}", name=name, shows=_SHOWN, observed=observed, client=True)
            if not owner:  # the methods call the functions
                yield step(f"{name}_async", around=_in_future(kind, name, observed))


TABLES = {"obstore": _functions}
