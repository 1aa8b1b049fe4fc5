"""Where data is: names, URIs without credentials, and what is known of data by its place only."""

from __future__ import annotations

import os
import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from otelprov.artifacts.digest import hasher, unidentified
from otelprov.artifacts.interruptions import is_of_the_program
from otelprov.model import Artifact, ArtifactKind

_DATABASES: Final = {"sqlite": (0, b"SQLite format 3\0"), "duckdb": (8, b"DUCK")}
"""By the scheme of the URIs of their tables: where in a file it stands what it is, and how."""
DATABASE_HEAD: Final = 16
"""Bytes of a file that say whether it is a database."""


def database_in(head: bytes) -> str | None:
    """Which kind of database a file is that begins so: ``sqlite`` or ``duckdb``."""
    for name, (at, mark) in _DATABASES.items():
        if head.startswith(mark, at):
            return name
    return None


def identify_location(uri: str) -> Artifact:
    """The artifact that something out of reach is, by its name alone. Never raises.

    Credentials in the URI are neither recorded nor part of the identity (section 10).
    """
    try:
        clean = without_credentials(uri)
        name = re.split(r"[?#]", clean)[0].rstrip("/").rpartition("/")[2]
        return named(clean, "identified by name only", name or None)
    except Exception as error:
        if is_of_the_program(error):
            raise
        return named("", "not a URI")


def name_and_uri(path: str | os.PathLike[str]) -> tuple[str, str]:
    """The last component of a path, and its ``file://`` URI."""
    place = os.path.abspath(os.fsencode(path))
    return shown(os.path.basename(place) or place), _file_uri(place)


def named(uri: str, reason: str, name: str | None = None) -> Artifact:
    """An artifact that is known by its URI only."""
    digest = hasher("resource")
    digest.update(uri.encode("utf-8", "surrogatepass"))
    return Artifact(
        f"resource:{digest.hexdigest()}",
        "resource",
        name,
        uri or None,
        coverage="none",
        reason=reason,
    )


def unknown(reason: str, kind: ArtifactKind = "object", name: str | None = None) -> Artifact:
    """Something of which nobody knows what it is, nor where it is from."""
    return Artifact(unidentified(), kind, name, coverage="none", reason=reason, origin="unknown")


def _file_uri(place: bytes) -> str:
    """RFC 8089."""
    if os.name == "nt":
        place = b"/" + place.replace(b"\\", b"/")
    return "file://" + quote(place, safe="/:" if os.name == "nt" else "/")


def shown(name: bytes) -> str:
    """A file name as text, for people."""
    return name.decode("utf-8", "replace")


# Texts, which `re` compiles at their first use and keeps.
_HIDDEN: Final = r"""(?ix)
      sig | code | key | pass | auth | pwd | expires
    | .*(?:token|secret|passw|passphrase|signature|credential|api[_-]?key|access[_-]?key
          |account[_-]?key|private[_-]?key|authorization) .*
    | (?:x-amz|x-goog|x-oss|x-cos|x-ms)- .*
    | awsaccesskeyid | googleaccessid | ossaccesskeyid
"""
# The parts of an Azure shared access signature, which mean something else where there is no `sig`.
_SAS: Final = frozenset(
    {
        "sv", "ss", "srt", "sp", "se", "st", "spr", "sip", "si", "sr",
        "skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid",
    }
)  # fmt: skip


def without_credentials(uri: str) -> str:
    """A URI without user-info and without secret parameters."""
    scheme, separator, rest = uri.partition("://")
    if separator:
        end = re.search(r"[/?#]", rest)
        authority = rest[: end.start()] if end else rest
        if "@" in authority:
            rest = rest[authority.rindex("@") + 1 :]
        elif "@" in rest and re.fullmatch(r"[^\[\]:]*:(?!\d*$).*", authority):
            # A password with an unescaped / ? or #: what should be a port is not a number.
            rest = rest[rest.rindex("@") + 1 :]
    else:
        scheme, rest = "", uri
    return scheme + separator + _without_secrets(rest)


_PAIR: Final = (
    r"(?P<before>^|[?&;#,\s])(?P<name>[^=?&;#,\s/]+)\s*=(?P<value>'[^']*'|\"[^\"]*\"|[^&;#\s]*)"
)


def _without_secrets(text: str) -> str:
    """Without `name=value` pairs whose name is that of a secret: queries, fragments, DSNs."""
    names = {_name(match["name"]) for match in re.finditer(_PAIR, text)}
    signed = "sig" in names

    def keep(match: re.Match[str]) -> str:
        name = _name(match["name"])
        if re.fullmatch(_HIDDEN, name) or (signed and name in _SAS):
            return match["before"] if match["before"] in ("?", "#") else ""
        return match[0]

    clean = re.sub(_PAIR, keep, text)
    clean = re.sub(r"([?#])[&;]+", r"\1", clean)
    return re.sub(r"\?(?=#|$)|#$", "", clean)


def _name(name: str) -> str:
    return unquote_to_bytes(name).decode("utf-8", "replace").lower()
