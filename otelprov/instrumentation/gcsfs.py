"""gcsfs: which generation of an object of Google Cloud Storage its answers speak of.

The calls themselves are recorded by fsspec's. The requests are made in the event loop of fsspec,
in a thread of its own, so what is answered is kept under the name of the object, as with S3
(botocore.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from otelprov.instrumentation._table import Entry, step
from otelprov.instrumentation.fsspec import FILES, awaited, entry
from otelprov.recording import faults, stores
from otelprov.recording.run import run

RECORDS: Final = (
    "the generation of each object that fsspec's calls, pandas and others read or write"
)
ODDITIES: Final = (
    "An object is known by its generation, which is new with every write. Zonal buckets, which "
    "gcsfs talks to by gRPC, are known by name only; so is what google-cloud-storage does.",
)

_OBJECT: Final = r".*?/storage/v1/b/([^/?]+)/o/([^/?]+)(?:\?.*)?"
_SHORT: Final = 1 << 16
"""Bytes: what describes one object is shorter."""


def _noting(said: Callable[..., tuple[str, str, Any, bytes]]) -> Callable[..., Any]:
    """For functions that make requests: ``said`` takes method, URL, headers and a short body out of
    the answer and the arguments."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapper(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            try:
                answer = await original(self, *args, **kwargs)
            except BaseException as error:
                if error.__traceback__ is not None:
                    error.__traceback__ = error.__traceback__.tb_next
                raise
            if run.active:
                with faults.contained("the generation in an answer of Google's is not known"):
                    _note(*said(self, answer, *args, **kwargs))
            return answer

        return wrapper

    return around


def _answered(
    system: Any, answer: Any, method: str, path: str, *args: Any, **_: object
) -> tuple[str, str, Any, bytes]:
    return method, system._format_path(path, args), answer[1], answer[3]


def _got(
    system: Any, answer: Any, rpath: str, *_: object, **__: object
) -> tuple[str, str, Any, bytes]:
    return "GET", system.url(rpath), answer[1], b""


def _note(method: str, url: str, headers: Mapping[str, str], contents: bytes) -> None:
    generation = headers.get("x-goog-generation")
    place = re.fullmatch(_OBJECT, url)
    if method.upper() == "GET" and generation and place:
        digests = re.search(r"md5=([^,]+)", ",".join(_all(headers, "x-goog-hash")))
        details = {"generation": generation, "md5Hash": digests[1] if digests else None}
        stores.note(f"gs://{unquote(place[1])}/{unquote(place[2])}", details, written=False)
    elif len(contents) < _SHORT and b'"generation"' in contents and b"storage#object" in contents:
        said = json.loads(contents)
        said = said.get("resource", said)  # of a copy
        if said.get("kind") == "storage#object" and said.get("generation"):
            details = {name: said.get(name) for name in ("generation", "md5Hash", "size")}
            uri = f"gs://{said['bucket']}/{said['name']}"
            stores.note(uri, details, written=method.upper() != "GET")


def _all(headers: Any, name: str) -> list[str]:
    """Google sends one header for each digest."""
    every = getattr(headers, "getall", None)
    return list(every(name, [])) if every is not None else [headers.get(name) or ""]


def _core() -> Iterable[Entry]:
    yield step("GCSFileSystem._request", around=_noting(_answered))
    yield step("GCSFileSystem._get_file_request", around=_noting(_got))
    for name in FILES:
        yield awaited(name, "GCSFileSystem")
    # It has these itself, where other file systems get them of fsspec.
    for name in ("mv", "mv_file"):
        yield entry(name, "GCSFileSystem")


def _extended() -> Iterable[Entry]:
    yield entry("mv", "ExtendedGcsFileSystem")


TABLES = {"gcsfs.core": _core, "gcsfs.extended_gcsfs": _extended}
