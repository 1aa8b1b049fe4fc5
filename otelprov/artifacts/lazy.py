"""What is not data yet: queries that run when they are asked, and data sets in files (section 16).

A query may be expensive, and may change what it reads from. None is run behind the user's back:
only ``run``, for who asks for the id of one.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

from otelprov._record import record
from otelprov.artifacts.digest import NoCanonicalForm
from otelprov.artifacts.registration import Content, register

MAX_READ: Final = 256 << 20
"""Bytes of a data set's files that are read for an id that nobody asked for."""


def run(value: object) -> object:
    """What a query gives, as a table or a stream of its own; anything else as it is.

    Raises:
        Exception: whatever the query raises.
    """
    kind = type(value)
    duckdb: Any = sys.modules.get("duckdb")
    if duckdb is not None and kind is getattr(duckdb, "DuckDBPyRelation", None):
        # A relation of its own: up to DuckDB 1.5 one that was executed gives its rows only once.
        query: Any = value
        return _stream(query.select("*"))
    polars: Any = sys.modules.get("polars")
    if polars is not None and kind is getattr(polars, "LazyFrame", None):
        frame: Any = value
        return frame.collect()
    dataset: Any = sys.modules.get("pyarrow.dataset")
    if dataset is not None and issubclass(kind, dataset.Dataset):
        return _Whole(value)
    return value


def _stream(relation: Any) -> object:
    import pyarrow

    return pyarrow.RecordBatchReader.from_stream(relation)


def _refused(reason: str) -> Content:
    def refuse(value: object) -> object:
        raise NoCanonicalForm(reason)

    return refuse


for _name, _reason in {
    "duckdb.DuckDBPyRelation": "a DuckDB relation is a query, and was not run",
    "duckdb.DuckDBPyConnection": "the result of a DuckDB connection can be fetched only once",
    "polars.LazyFrame": "a LazyFrame is a query, and was not run",
    "pyarrow.lib.RecordBatchReader": "a RecordBatchReader can be read only once",
    "pyarrow._dataset.Scanner": "a Scanner is a query, and was not run",
}.items():
    register(_name)(_refused(_reason))


# --- data sets ------------------------------------------------------------------------------------


@record
class _Whole:
    """A data set whose files are to be read, however large they are."""

    dataset: Any


@register("pyarrow._dataset.Dataset", kind="directory", name="pyarrow.Dataset")
def _dataset(value: Any) -> object:
    return _files(value, MAX_READ)


@register(_Whole, kind="directory", name="pyarrow.Dataset")
def _whole(value: _Whole) -> object:
    return _files(value.dataset, None)


_SELF_DESCRIBING: Final = frozenset({"parquet", "ipc", "feather", "orc"})


def _files(dataset: Any, limit: int | None) -> object:
    """Its schema, and its files in their order with their partitions; its rows are not scanned."""
    import pyarrow.dataset as ds

    from otelprov.artifacts.arrow import arrow_form

    if getattr(dataset, "_scan_options", None):
        raise NoCanonicalForm("a data set with a filter is a query, and was not run")
    schema = [(field.name, arrow_form(field.name, field).type) for field in dataset.schema]
    if isinstance(dataset, ds.UnionDataset):
        return schema, [_files(child, limit) for child in dataset.children]
    if not isinstance(dataset, ds.FileSystemDataset):
        raise NoCanonicalForm(f"a {type(dataset).__name__} is not made of files")
    if dataset.format.default_extname not in _SELF_DESCRIBING:
        raise NoCanonicalForm(f"how {dataset.format.default_extname} is read is not in the files")
    fragments = list(dataset.get_fragments())
    places = [_local(fragment) for fragment in fragments]
    if limit is not None and sum(os.stat(place).st_size for place in places) > limit:
        raise NoCanonicalForm(f"its files hold more than {limit:,} bytes")
    return schema, [
        (dict(sorted(ds.get_partition_keys(fragment.partition_expression).items())), _file(place))
        for fragment, place in zip(fragments, places, strict=True)
    ]


def _local(fragment: Any) -> str:
    from pyarrow import fs

    system, path = fragment.filesystem, fragment.path
    while isinstance(system, fs.SubTreeFileSystem):
        path = os.path.join(system.base_path, path)
        system = system.base_fs
    if not path or not isinstance(system, fs.LocalFileSystem):
        raise NoCanonicalForm("its files are not on this machine")
    return str(path)


def _file(place: str) -> str:
    from otelprov.artifacts.files import identify_path

    artifact = identify_path(place)
    if artifact.coverage != "full":
        raise NoCanonicalForm(f"a file of it could not be read: {artifact.reason}")
    return artifact.id
