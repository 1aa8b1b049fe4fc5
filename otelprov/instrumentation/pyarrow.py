"""pyarrow: the readers and writers that are Python functions, and the ways in and out of pandas.

Methods of ``pyarrow.Table`` are C and cannot be patched. Some of them (``join``, ``filter`` with an
expression, ``group_by``, ``to_pandas``, ``from_pandas``) call a Python function of pyarrow's own,
and that one is looked at. What is left (``take``, ``slice``, ``select``, ``sort_by`` of a table,
compute functions) is not seen: its result is data of unknown origin, known by its content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov.artifacts import carrier
from otelprov.artifacts.deferred import resolve
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._table import (
    Arguments,
    Entry,
    Keywords,
    read,
    step,
    transform,
    when_called,
    write,
)
from otelprov.instrumentation._wrapping import followed, iterating
from otelprov.recording import faults, observation, places
from otelprov.recording.recorder import OpenOperation, current_operation
from otelprov.recording.streams import without_options


def _together() -> Iterable[Entry]:
    yield transform("concat_tables", lists="tables")
    yield transform("concat_batches", lists="recordbatches")


def _parquet() -> Iterable[Entry]:
    for function in ("read_table", "read_pandas"):
        yield read(
            function, name=f"parquet.{function}", source="source", places=_source, clean=_clean
        )
    yield read("ParquetFile.__init__", name="ParquetFile", source="source", in_place="always")
    yield read(
        "ParquetDataset.__init__", name="ParquetDataset", source="path_or_paths", in_place="always"
    )
    for method in ("read", "read_row_group", "read_row_groups"):
        yield read(f"ParquetFile.{method}", name=f"ParquetFile.{method}", clean=_clean)
    yield step("ParquetFile.iter_batches", around=iterating)
    for method in ("read", "read_pandas"):
        yield read(f"ParquetDataset.{method}", name=f"ParquetDataset.{method}", clean=_clean)
    yield write(
        "write_table",
        name="parquet.write_table",
        target="where",
        places=_target("where"),
        typed=True,
        prepare=_carry,
    )
    yield write(
        "write_to_dataset",
        name="parquet.write_to_dataset",
        target="root_path",
        places=_target("root_path"),
        typed=True,
        prepare=_carry_part,
    )
    for method in ("write_table", "write_batch", "write"):
        yield write(f"ParquetWriter.{method}", name=f"ParquetWriter.{method}", collects="self")
    for method in ("close", "__exit__"):
        yield write(
            f"ParquetWriter.{method}", name="ParquetWriter.close", target="where", places=_opened
        )


def _csv() -> Iterable[Entry]:
    yield read("read_csv", name="csv.read_csv", source="input_file")
    yield read("open_csv", name="csv.open_csv", source="input_file")
    yield write("write_csv", name="csv.write_csv", target="output_file")


def _feather() -> Iterable[Entry]:
    for method in ("read_table", "read_pandas"):
        yield read(
            f"FeatherDataset.{method}",
            name=f"FeatherDataset.{method}",
            source="path_or_paths",
            places=lambda parameters: parameters["self"].paths,
        )
    yield read("read_table", name="feather.read_table", source="source", clean=_clean)
    yield read("read_feather", name="feather.read_feather", source="source")
    yield write(
        "write_feather", name="feather.write_feather", target="dest", typed=True, prepare=_carry
    )


def _json() -> Iterable[Entry]:
    yield read("read_json", name="json.read_json", source="input_file")
    yield read("open_json", name="json.open_json", source="input_file")


def _orc() -> Iterable[Entry]:
    yield read("read_table", name="orc.read_table", source="source", places=_source)
    yield write("write_table", name="orc.write_table", target="where")
    yield read("ORCFile.__init__", name="ORCFile", source="source", in_place="always")
    for method in ("read", "read_stripe"):
        yield read(f"ORCFile.{method}", name=f"ORCFile.{method}")
    yield step("ORCWriter.__init__", in_place="always", around=_opening)
    yield write("ORCWriter.write", name="ORCWriter.write", collects="self")
    for method in ("close", "__exit__"):
        yield write(
            f"ORCWriter.{method}", name="ORCWriter.close", target="where", places=_orc_opened
        )


def _dataset() -> Iterable[Entry]:
    yield read("dataset", name="dataset.dataset", source="source", places=_source, clean=_listen)
    yield read("parquet_dataset", name="dataset.parquet_dataset", source="metadata_path")
    yield write(
        "write_dataset",
        name="dataset.write_dataset",
        target="base_dir",
        places=_target("base_dir"),
        typed=True,
        prepare=_carry_part,
    )


def _pandas_compat() -> Iterable[Entry]:
    yield transform("table_to_dataframe", name="Table.to_pandas")
    yield transform(  # of pyarrow 14
        "table_to_blockmanager", name="Table.to_pandas", by_content=True, result=_frame_of_blocks
    )
    yield transform(
        "dataframe_to_arrays", name="Table.from_pandas", by_content=True, result=_table_of_arrays
    )


def _files() -> Iterable[Entry]:
    yield write("copy_files", name="fs.copy_files", observed=when_called("_arrow_copies", "Copied"))


def _acero() -> Iterable[Entry]:
    yield transform("_perform_join", name="Table.join")
    yield transform("_perform_join_asof", name="Table.join_asof")
    yield transform("_filter_table", name="Table.filter")
    yield transform("_group_by", name="Table.group_by")
    yield transform("_sort_source", name="Dataset.sort_by")


def _source(parameters: Mapping[str, Any]) -> Any:
    """What is read, by whichever name the function has for it."""
    names = ("source", "path_or_paths", "metadata_path")
    found = (parameters[name] for name in names if parameters.get(name) is not None)
    return without_options(next(found, None))


def _target(name: str) -> Callable[[Mapping[str, Any]], Any]:
    """What is written, by the name of the parameter."""
    return lambda parameters: without_options(parameters[name])


def _opened(parameters: Mapping[str, Any]) -> Any:
    """The file of a ``ParquetWriter`` that something was written to."""
    writer = parameters["self"]
    return (
        without_options(getattr(writer, "where", None))
        if registry.lookup(writer) is not None
        else None
    )


def _opening(original: Callable[..., Any]) -> Callable[..., Any]:
    """An ``ORCWriter`` does not keep the name of its file."""
    return followed(original, _noted, "the file of an ORCWriter is not known")


def _noted(_: object, __: object, writer: Any, where: Any, *___: Any, **____: Any) -> None:
    _orc_files[writer] = where


_orc_files: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()


def _orc_opened(parameters: Mapping[str, Any]) -> Any:
    """The file of an ``ORCWriter`` that something was written to."""
    writer = parameters["self"]
    if registry.lookup(writer) is None:
        return None
    return without_options(_orc_files.get(writer))


def _carry_part(
    operation: OpenOperation, arguments: Arguments, keywords: Keywords
) -> tuple[Arguments, Keywords]:
    """Of a table that is written to several files, each says that it may be a part."""
    return _carry(operation, arguments, keywords, part=True)


def _carry(
    operation: OpenOperation, arguments: Arguments, keywords: Keywords, *, part: bool = False
) -> tuple[Arguments, Keywords]:
    """The written table carries its id and its span in the schema's metadata."""
    data = arguments[0] if arguments else next(iter(keywords.values()), None)
    import pyarrow

    if type(data).__module__.partition(".")[0] == "pandas" and keywords.get("version", 2) == 2:
        try:
            data = pyarrow.Table.from_pandas(data)  # as write_feather does for version 2
        except Exception as error:  # which raises the same
            if faults.is_of_the_program(error):
                raise
            return arguments, keywords
    if not isinstance(data, pyarrow.Table):
        return arguments, keywords
    if operation.content is None:
        operation.content = observation.look_at(operation, data)
        if operation.content is None:
            return arguments, keywords
    content = resolve(operation.content)
    if content.coverage != "full":
        return arguments, keywords
    added = carrier.arrow_metadata(places.carried(operation, content.id, part=part))
    marked = data.replace_schema_metadata({**_others(data.schema.metadata), **added})
    if arguments:
        return (marked, *arguments[1:]), keywords
    return arguments, {**keywords, next(iter(keywords)): marked}


def _clean(table: Any, internal: bool) -> Any:
    """The program sees the metadata that it wrote, and writes no stale id on."""
    metadata = table.schema.metadata
    if not metadata or carrier.ID_KEY not in metadata:
        return table
    _heard(metadata)
    return table if internal else table.replace_schema_metadata(_others(metadata) or None)


def _listen(dataset: Any, internal: bool) -> Any:
    """What a data set says of itself, which stays as it is."""
    _heard(dataset.schema.metadata)
    return dataset


def _heard(metadata: Mapping[bytes, bytes] | None) -> None:
    """What was read says of itself who made it: for a place that cannot be asked."""
    operation = current_operation()
    said = carrier.from_arrow(metadata)
    if said is not None and operation is not None and operation.call.kind == "read":
        operation.said = (*operation.said, said)


def _others(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes]:
    """Metadata without what otelprov had put there."""
    return {key: value for key, value in (metadata or {}).items() if key not in carrier.KEYS}


def _frame_of_blocks(result: Any) -> object:
    """``table_to_blockmanager`` returns what pandas makes a frame of, which C has it do."""
    import pandas

    make: Any = pandas.DataFrame._from_mgr
    return make(result, result.axes)


def _table_of_arrays(result: Any) -> object:
    """``dataframe_to_arrays`` returns the columns; the table is made of them in C."""
    import pyarrow

    arrays, schema = result[0], result[1]
    return pyarrow.Table.from_arrays(list(arrays), schema=schema)


ODDITIES: Final = (
    "A name in a file system of pyarrow's own (S3FileSystem, GcsFileSystem, also through "
    "SubTreeFileSystem or an s3:// URI) is known by its location: it is C++ and tells no version. "
    "Parquet and Feather files that were recorded when they were written say themselves which "
    "table they hold, and who wrote it.",
    "What is read from or written to a stream that such a file system has opened "
    "(open_input_file, open_output_stream) is of unknown place: the stream has no name.",
    "Readers and writers that are C++ are not recorded, and what they give is of unknown origin, "
    "known by its content: all of `pyarrow.ipc` (`open_file`, `open_stream`, `new_file`, "
    "`new_stream`, `read_message`, `read_record_batch`, `read_tensor`, `write_tensor`, "
    "`serialize_pandas`, `deserialize_pandas`), `csv.CSVWriter`, `to_table`, `to_batches` and "
    "`scanner` of data sets and fragments, what the readers of `csv.open_csv` and `json.open_json` "
    "read, and `parquet.ParquetReader`. Opening a data set is recorded.",
    "What reads or writes only schemas and metadata is no operation (`read_metadata`, "
    "`read_schema`, `write_metadata`).",
)

# Each part is patched when the program imports it.
TABLES = {
    "pyarrow": _together,
    "pyarrow.parquet": _parquet,
    "pyarrow.csv": _csv,
    "pyarrow.feather": _feather,
    "pyarrow.json": _json,
    "pyarrow.orc": _orc,
    "pyarrow.dataset": _dataset,
    "pyarrow.fs": _files,
    "pyarrow.pandas_compat": _pandas_compat,
    "pyarrow.acero": _acero,
}
