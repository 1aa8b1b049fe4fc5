"""What is read from or written to: a path of this machine, or something else with a name.

Nothing here asks the network: of an object in a store it is known only what the program's own
objects hold already.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

from otelprov._record import record
from otelprov.artifacts import contents, evidence, identify, identify_location
from otelprov.artifacts.digest import NoCanonicalForm, unidentified
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.artifacts.locations import without_credentials
from otelprov.artifacts.snapshots import SMALL
from otelprov.model import Artifact
from otelprov.recording.versioned import Versioned


@record
class Within:
    """A name in a file system: one of pyarrow's or fsspec's."""

    filesystem: Any
    name: str


def resolve(place: Any, filesystem: Any = None) -> str | Artifact:
    """The absolute path that ``place`` names on this machine, or the artifact that it is.

    ``filesystem`` is what names are looked up in: one of pyarrow's or fsspec's.
    """
    if isinstance(place, Artifact):
        return place
    if isinstance(place, Versioned):
        return place.artifact()
    place = _opened_by(place)
    if isinstance(place, Within):
        place, filesystem = place.name, place.filesystem
    if filesystem is not None and isinstance(place, (str, os.PathLike)):
        name = os.fspath(place)
        if isinstance(name, str) and not is_url(name):
            return _in_filesystem(filesystem, name)
    place = unwrapped(place)
    path = local_path(place)
    return _stream(place) if path is None else path


_opened: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()


def opened(stream: Any, place: Any) -> None:
    """Note by which name a stream was opened, whose library does not say so afterwards."""
    _opened[stream] = place


def _opened_by(place: Any) -> Any:
    if type(place).__module__ != "pyarrow.lib":
        return place
    try:
        return _opened.get(place, place)
    except TypeError:  # a Buffer, which has no hash
        return place


def unwrapped(place: Any) -> Any:
    """The file in what ``tempfile``, ``codecs`` and fsspec put around one."""
    kind = type(place)
    if kind.__name__ == "LocalFileOpener" and kind.__module__ == "fsspec.implementations.local":
        return place.f
    if kind.__module__ == "tempfile":
        if kind.__name__ == "_TemporaryFileWrapper":
            return place.file
        if kind.__name__ == "SpooledTemporaryFile":
            return place._file
    elif (kind.__module__, kind.__name__) == ("codecs", "StreamReaderWriter"):
        return place.stream
    return place


def plain(file: Any) -> io.FileIO | None:
    """The file of this machine that an open file reads or writes as it is, with or without a
    buffer."""
    below = unwrapped(file.buffer if isinstance(file, io.TextIOWrapper) else file)
    if isinstance(below, (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)):
        below = below.raw
    return below if isinstance(below, io.FileIO) else None


def stream_behind(place: Any) -> object:
    """The stream that one of the standard library's reads from or writes to: as it is, not decoded,
    buffered or packed."""
    for _ in range(4):
        if isinstance(place, io.TextIOWrapper):
            place = place.buffer
        elif isinstance(place, (io.BufferedReader, io.BufferedWriter)):
            place = place.raw
        elif type(place).__module__ in ("gzip", "bz2", "lzma"):
            place = getattr(place, "fileobj", None) or getattr(place, "_fp", None)
        else:
            break
    return place


def kept_in(stream: object) -> object:
    """What holds the bytes that a stream has yet to store, or to give: itself, or a buffer of its
    own."""
    if getattr(stream, "fs", None) is not None or _is_arrow(stream, "BufferOutputStream"):
        return stream
    buffer = getattr(stream, "_buf", None)  # smart_open
    return buffer if type(buffer) is io.BytesIO and hasattr(stream, "_key") else None


def archive_of(place: Any) -> Any:
    """The open file of the archive that ``place`` is a member of; None where it is none."""
    if isinstance(place, io.TextIOWrapper):
        place = place.buffer
    kind = type(place)
    if (kind.__module__, kind.__name__) == ("zipfile", "ZipExtFile"):
        return getattr(getattr(place, "_fileobj", None), "_file", None)
    if (kind.__module__, kind.__name__) == ("tarfile", "ExFileObject"):
        return getattr(place.raw, "fileobj", None)
    return file_of_archive(place) if is_archive(place) else None


def is_archive(place: object) -> bool:
    """Whether it is an open archive of the standard library's: a ``ZipFile`` or a ``TarFile``."""
    return any(
        kind.__module__ in ("zipfile", "tarfile") and kind.__name__ in ("ZipFile", "TarFile")
        for kind in type(place).__mro__
    )


def file_of_archive(archive: Any) -> Any:
    """The open file, or the path, of an open archive."""
    file = getattr(archive, "fileobj", None) or getattr(archive, "fp", None)
    if type(file).__module__ != "tarfile":
        return stream_behind(file)
    # Modes such as "r|gz": a stream that unpacks itself.
    below = getattr(file, "fileobj", None)
    return archive.name if type(below).__module__ == "tarfile" else below


def rest_of(buffer: io.BytesIO) -> Artifact:
    """What is still to be read of a buffer, by content."""
    position = buffer.tell()
    return identify(buffer if position == 0 else buffer.getvalue()[position:])


MAX_NAME: Final = 65_536
"""Characters of a path, or of a URL with all its options."""


def is_data(place: object) -> bool:
    """Whether a text, or bytes, is too long to name anything: not to be asked for as a path, which
    costs ten times as much as to read it."""
    return isinstance(place, (str, bytes)) and len(place) > MAX_NAME


def local_path(place: object) -> str | None:
    """The absolute path that ``place`` names on this machine, or None."""
    if isinstance(place, os.PathLike):
        place = os.fspath(place)
    if isinstance(place, bytes):
        place = os.fsdecode(place)
    if isinstance(place, str):
        for scheme in ("file://", "local://"):
            if place.startswith(scheme):
                return os.path.abspath(unquote(urlsplit(place).path))
        if is_url(place):
            return None
        return _absolute(os.path.expanduser(place))  # pandas and pyarrow expand "~" too
    return _path_of_open(place)


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except FileNotFoundError:  # the working directory is gone, and all that was in it
        return os.path.join(os.sep, "(deleted)", path)


_CACHES: Final = frozenset({"simplecache", "filecache", "blockcache", "cached"})
_ARCHIVES: Final = ("zip://", "tar://", "libarchive://")


def unchained(place: Any) -> tuple[Any, bool]:
    """What one of fsspec's chained URLs reads or writes in the end, without the cache before it;
    and whether that is an archive, of which it is a member."""
    is_member = False
    while isinstance(place, str) and "::" in place:
        first, _, rest = place.partition("::")
        if first.startswith(_ARCHIVES):
            is_member = True
        elif first.partition("://")[0] not in _CACHES:
            break
        place = rest
    return place, is_member


def is_url(place: str) -> bool:
    """Whether a string names something that is not a local path."""
    scheme, separator, _ = place.partition("://")
    return bool(separator) and scheme.replace("+", "").replace("-", "").isalnum()


_WITH_OPTIONS = ("s3://", "gs://", "gcs://", "abfs://", "abfss://", "hdfs://", "viewfs://")


def without_options(place: Any) -> Any:
    """A place, without the options of a file system that pyarrow takes out of a URI: they are no
    part of the name of an object."""
    if isinstance(place, list):
        return [without_options(one) for one in place]
    if isinstance(place, str) and place.startswith(_WITH_OPTIONS):
        return place.partition("?")[0]
    return place


def _path_of_open(place: Any) -> str | None:
    """The path of an open file, if that file still stands there.

    The name alone says little: a member of a zip archive has one too.
    """
    if not hasattr(place, "fileno"):
        return None
    try:
        name = place.name
        if isinstance(name, bytes):
            name = os.fsdecode(name)
        if name in ("<stdin>", "<stdout>"):  # maybe a file of the shell's: `< in.csv > out.csv`
            if not stat.S_ISREG(os.fstat(place.fileno()).st_mode):
                return None
            name = place.fileno()
        if isinstance(name, int):  # os.fdopen; the kernel says " (deleted)" where it is gone
            name = os.readlink(f"/proc/self/fd/{name}")
        if not isinstance(name, str):
            return None
        raw = getattr(getattr(place, "buffer", place), "raw", place)
        if isinstance(raw, io.FileIO) and raw.closed:
            return os.path.abspath(name) if os.path.exists(name) else None
        if os.path.samestat(os.stat(name), os.fstat(place.fileno())):
            return os.path.abspath(name)
    except Exception as error:  # without a descriptor or a name, or gone
        if is_of_the_program(error):
            raise
        return None
    return None


def _in_filesystem(system: Any, name: str) -> str | Artifact:
    for _ in range(8):  # file systems stand in each other
        inner = getattr(getattr(system, "handler", None), "fs", None)
        if inner is not None:  # fsspec in pyarrow
            system = inner
        elif hasattr(system, "base_fs") and hasattr(system, "base_path"):  # pyarrow
            system, name = system.base_fs, f"{system.base_path.rstrip('/')}/{name.lstrip('/')}"
        elif type(system).__name__ == "DirFileSystem":  # fsspec
            system, name = system.fs, f"{system.path.rstrip('/')}/{name.lstrip('/')}"
        else:
            break
    kind = getattr(system, "type_name", None) or getattr(system, "protocol", None) or "filesystem"
    kind = kind[0] if isinstance(kind, (list, tuple)) and kind else kind
    kind = "gs" if kind == "gcs" else kind
    if kind in ("local", "file"):
        return os.path.abspath(name)
    location = name if is_url(name) else f"{kind}://{name}"
    if kind == "memory":
        return _in_memory(location)
    return identify_location(location)


def _in_memory(uri: str) -> Artifact:
    """A file of fsspec's file system in memory is at hand: by content."""
    module = sys.modules.get("fsspec.implementations.memory")
    if module is not None:
        system: Any = module.MemoryFileSystem
        file = system.store.get(system._strip_protocol(uri))
        if file is not None:
            return _named(identify(file.getvalue()), uri)
    return identify_location(uri)


def _stream(place: Any) -> Artifact:
    if isinstance(place, str):
        return (
            _in_memory(place) if place.startswith("memory://") else identify_location(_one(place))
        )
    place = stream_behind(place)
    file = plain(place)
    if file is not None and (data := _nowhere(file)) is not None:
        return identify(data)
    if type(place) in (io.BytesIO, io.StringIO) and not place.closed:
        return identify(place)
    if _is_arrow(place, "Buffer"):
        return identify(place)
    if _is_arrow(place, "BufferReader") and not place.closed:
        position = place.tell()
        place.seek(0)
        content = place.read_buffer()  # without a copy
        place.seek(position)
        return identify(content)
    system, path = getattr(place, "fs", None), getattr(place, "path", None)
    if system is not None and isinstance(path, str):
        return _fsspec(place, system, path)
    if isinstance(place, io.BytesIO) and not place.closed:  # a class of the program's own
        return identify(place.getvalue())
    bucket, key = getattr(place, "_bucket", None), getattr(place, "_key", None)
    if isinstance(bucket, str) and isinstance(key, str):  # smart_open, awswrangler
        return identify_location(f"s3://{bucket}/{key}")
    headers = getattr(place, "headers", None)
    url = getattr(place, "url", None)
    if isinstance(url, str) and headers is not None and hasattr(headers, "keys"):
        return version_of(url, {str(name): value for name, value in dict(headers).items()})
    what = f"{type(place).__module__}.{type(place).__qualname__}"
    return Artifact(
        unidentified(), "stream", what, coverage="none", reason="an open stream without a name"
    )


def _is_arrow(place: object, name: str) -> bool:
    kind = type(place)
    return kind.__module__ == "pyarrow.lib" and kind.__name__ == name


def _nowhere(file: io.FileIO) -> bytes | None:
    """What a small file holds that has no name (any more), such as one of ``TemporaryFile``."""
    try:
        place = os.fsencode(f"/proc/self/fd/{file.fileno()}")
        descriptor, status = contents.open_regular(place)
    except (OSError, ValueError, NoCanonicalForm) as error:  # closed, a pipe, or not on Linux
        if is_of_the_program(error):
            raise
        return None
    with io.FileIO(descriptor) as again:
        return again.read() if status.st_size <= SMALL else None


def _fsspec(place: Any, system: Any, path: str) -> Artifact:
    """An open file of fsspec's, or one that it would open."""
    uri = _one(path if is_url(path) else system.unstrip_protocol(path))
    if isinstance(place, io.BytesIO) and not place.closed:  # in memory, maybe not stored yet
        return _named(identify(place.getvalue()), uri)
    if uri.startswith("memory://"):
        return _in_memory(uri)
    details = getattr(place, "__dict__", {}).get("_details")  # `details` may ask the store
    return version_of(uri, details) if isinstance(details, dict) else identify_location(uri)


def _one(uri: str) -> str:
    """The one name of an object that has several."""
    for other, scheme in (("gcs://", "gs://"), ("s3a://", "s3://"), ("s3n://", "s3://")):
        if uri.startswith(other):
            return scheme + uri.removeprefix(other)
    return uri


# What stores and servers say of the version of an object, by the names that they give it.
_VERSIONS = frozenset(
    {
        "etag", "versionid", "version_id", "x-amz-version-id", "generation", "md5hash", "md5",
        "crc32c", "content-md5", "content_md5", "x-goog-generation", "x-ms-version-id", "checksum",
    }
)  # fmt: skip
_TIMES = frozenset({"last-modified", "lastmodified", "last_modified", "mtime", "updated"})
_SIZES = ("size", "content-length")


def version_of(uri: str, details: Mapping[str, Any]) -> Artifact:
    """The version of an object that its store's own words tell, else its size and time."""
    found = {str(name).lower(): value for name, value in details.items() if value is not None}
    size = next((int(found[name]) for name in _SIZES if str(found.get(name, "")).isdigit()), None)
    named = identify_location(uri)
    versions = {
        name: str(value)
        for name, value in found.items()
        if name in _VERSIONS
        and value != "null"  # the version id in a bucket without versions
        and not str(value).startswith("W/")  # a weak ETag: another encoding
    }
    if uri.startswith("gs://") and "generation" in versions:
        # New with every write, and in every answer; of the rest each answer has another part.
        versions = {"generation": versions["generation"]}
    times = {name: str(value) for name, value in found.items() if name in _TIMES}
    kind: evidence.Kind = "version"
    facts, reason = versions, "by what its store says of the version"
    if not versions:
        if size is None or not times:
            return named
        kind, facts = "status", {**times, "size": str(size)}
        reason = "by size and time of modification"
    return evidence.versioned(
        without_credentials(uri),
        kind,
        evidence.of_version(facts),
        "resource",
        name=named.name,
        size=size,
        reason=reason,
    )


def _named(artifact: Artifact, uri: str) -> Artifact:
    location = identify_location(uri)
    return replace(artifact, name=location.name, uri=location.uri)
