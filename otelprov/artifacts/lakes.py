"""Tables with versions of their own, as their directories say it: Delta Lake and Apache Iceberg.

A directory holds the files of all the versions, and what names them: the log of a Delta Lake table,
the metadata files of an Iceberg table. Neither library is needed to find out which version stands
there, and nothing but these files is read.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from otelprov.artifacts.evidence import table_version
from otelprov.artifacts.locations import name_and_uri, without_credentials
from otelprov.model import Artifact

# Texts, which `re` compiles at their first use and keeps.
_COMMIT: Final = r"(\d{20})\.json"
_CHECKPOINT: Final = r"(\d{20})\.checkpoint(?:\.[0-9a-f.-]+)?\.parquet"
_METADATA: Final = r"v?(\d+)(?:-[^/]*)?(?:\.gz)?\.metadata\.json(?:\.gz)?"


class Lake(Protocol):
    """A table with versions, in its directory."""

    @property
    def format(self) -> str:
        """What people call such tables."""

    @property
    def version(self) -> str:
        """The version that it is at, in the words of its format."""

    def at(self, version: str | None = None) -> list[Artifact]:
        """The version as what is recorded of it; several where its directory leaves that open.

        By default the one that it is at. Empty for a version that it does not have.

        Raises:
            OSError: what names the versions cannot be read.
        """


def lake_in(directory: Path) -> Lake | None:
    """The table in a directory; None where there is none.

    Raises:
        OSError: the directory cannot be read.
    """
    for found in (_DeltaTable(directory), _IcebergTable(directory)):
        if found.is_there():
            return found
    return None


def version_at(
    place: tuple[str, str],
    facts: Mapping[str, str],
    version: str,
    schema: str | None = None,
    columns: int | None = None,
) -> Artifact:
    """A version of the table at a place, which is its name and its URI."""
    name, uri = place
    return table_version(uri, facts, name=name, version=version, schema=schema, columns=columns)


def delta_facts(table: str, version: int) -> dict[str, str]:
    """What the id of a version of a Delta Lake table rests on, beside its place.

    ``table`` is the id in its metadata.
    """
    return {"delta.table": table, "delta.version": str(version)}


def iceberg_facts(table: str, snapshot: int | None, schema: int) -> dict[str, str]:
    """What the id of a snapshot of an Iceberg table rests on, beside its place."""
    return {
        "iceberg.table": table,
        "iceberg.snapshot": "" if snapshot is None else str(snapshot),
        "iceberg.schema": str(schema),
    }


def table_place(location: str) -> tuple[str, str]:
    """The name and the URI of a table, the same for all ways to write it."""
    scheme, separator, _ = location.partition(":/")
    if separator and scheme in ("file", "local"):
        return name_and_uri(unquote(urlsplit(location).path))
    if "://" not in location:
        return name_and_uri(os.path.expanduser(location))
    uri = without_credentials(location).rstrip("/")
    if uri.startswith("s3a://"):
        uri = f"s3://{uri[6:]}"
    return uri.rpartition("/")[2], uri


def iceberg_version(said: Mapping[str, Any], snapshot: int | None = None) -> Artifact:
    """The current snapshot, or another, of the table that a metadata file describes."""
    current, schema = said.get("current-snapshot-id"), said.get("current-schema-id", 0)
    if snapshot is not None:
        of = {one["snapshot-id"]: one.get("schema-id") for one in said.get("snapshots", ())}
        schema = schema if of.get(snapshot) is None else of[snapshot]
    elif current not in (None, -1):
        snapshot = int(current)
    facts = iceberg_facts(str(said["table-uuid"]), snapshot, int(schema))
    version = "empty" if snapshot is None else str(snapshot)
    return version_at(table_place(said["location"]), facts, version)


class _DeltaTable:
    """A Delta Lake table: commits and checkpoints in ``_delta_log``, each named by its version."""

    format: Final = "Delta Lake"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "_delta_log"

    def is_there(self) -> bool:
        return self._log.is_dir() and bool(self._versions)

    @property
    def _versions(self) -> set[int]:
        names = os.listdir(self._log)
        matches = (re.fullmatch(_COMMIT, one) or re.fullmatch(_CHECKPOINT, one) for one in names)
        return {int(match[1]) for match in matches if match}

    @property
    def version(self) -> str:
        return str(max(self._versions))

    def at(self, version: str | None = None) -> list[Artifact]:
        last = max(self._versions)
        if version is not None and not (version.isascii() and version.isdigit()):
            return []
        number = last if version is None else int(version)
        if number > last:
            return []
        table = self._table_id(number)
        if table is None:
            return []
        paths = (os.path.abspath(self._directory), os.path.realpath(self._directory))
        return [
            version_at(name_and_uri(path), delta_facts(table, number), str(number))
            for path in dict.fromkeys(paths)
        ]

    def _table_id(self, number: int) -> str | None:
        """The id in the metadata: in the last commit that changed it, or in a checkpoint."""
        for before in range(number, -1, -1):
            try:
                with open(self._log / f"{before:020}.json", encoding="utf-8") as lines:
                    found = [_metadata_id(json.loads(line)) for line in lines if "metaData" in line]
            except FileNotFoundError:
                return self._in_checkpoint(before)
            if any(found):
                return next(filter(None, found))
        return None

    def _in_checkpoint(self, last: int) -> str | None:
        """The commits before are gone: every checkpoint has the metadata."""
        try:
            import pyarrow.parquet
        except ImportError:
            raise OSError("its id is in a checkpoint only, and pyarrow is not installed") from None
        for path in sorted(self._log.glob("*.checkpoint*.parquet"), reverse=True):
            match = re.fullmatch(_CHECKPOINT, path.name)
            if match is None:
                continue
            found = pyarrow.parquet.ParquetFile(path).read(columns=["metaData.id"])
            for one in found.column("metaData").to_pylist():
                if one and one["id"]:
                    return str(one["id"])
        return None


def _metadata_id(entry: Mapping[str, Any]) -> str | None:
    said = entry.get("metaData")
    return str(said["id"]) if said else None


class _IcebergTable:
    """An Apache Iceberg table: metadata files with a number each, of which the last counts.

    Which of them is current is known to the catalog. Two of one number are left open, both.
    """

    format: Final = "Apache Iceberg"

    def __init__(self, directory: Path) -> None:
        self._metadata = directory / "metadata"
        self._read: list[dict[str, Any]] | None = None

    def is_there(self) -> bool:
        return self._metadata.is_dir() and bool(self._newest())

    @property
    def version(self) -> str:
        return ", ".join(one.version or "" for one in self.at())

    def at(self, version: str | None = None) -> list[Artifact]:
        if self._read is None:
            self._read = [_in_file(path) for path in self._newest()]
        if version is None or version == "empty":
            found = [iceberg_version(said) for said in self._read]
            return [one for one in found if version in (None, one.version)]
        return list(
            dict.fromkeys(
                one
                for said in self._read
                for snapshot in said.get("snapshots") or ()
                if str(snapshot["snapshot-id"]) == version
                for one in _under_schemas(said, int(version))
            )
        )

    def _newest(self) -> list[Path]:
        numbered: dict[int, list[Path]] = {}
        for name in sorted(os.listdir(self._metadata)):
            match = re.fullmatch(_METADATA, name)
            if match:
                numbered.setdefault(int(match[1]), []).append(self._metadata / name)
        hint = self._hint()
        return numbered.get(hint, []) or numbered.get(max(numbered, default=-1), [])

    def _hint(self) -> int:
        """The number that a table without a catalog names as its last."""
        try:
            return int((self._metadata / "version-hint.text").read_text("utf-8"))
        except (OSError, ValueError):
            return -1


def _in_file(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    said: dict[str, Any] = json.loads(gzip.decompress(data) if ".gz" in path.suffixes else data)
    return said


def _under_schemas(said: Mapping[str, Any], snapshot: int) -> Iterator[Artifact]:
    """A snapshot with the schema that it was made with; as the last, also with one set since."""
    yield iceberg_version(said, snapshot)
    if snapshot == said.get("current-snapshot-id"):
        yield iceberg_version(said)
