"""pyarrow: readers and writers, tables and arrays, what is computed of them, data sets.

Most of it are methods of classes that are written in C (docs/decisions/0029). What they call
inside comes from the function that stands in, and counts as pyarrow's own. An operator of theirs
(``table["a"]``, ``array[1:]``) is C too, but calls a method, and that one is looked at. Every
compute function is a call of one method, ``Function.call``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import FrameType
from typing import Any, Final
from weakref import WeakKeyDictionary

from otelprov.artifacts import carrier
from otelprov.artifacts.deferred import resolve
from otelprov.artifacts.registry import WHOLE, Identity, Step, derive, registry
from otelprov.instrumentation._calls import Observed, Site, is_internal, pass_on
from otelprov.instrumentation._table import (
    Arguments,
    Entry,
    Keywords,
    each,
    read,
    step,
    transform,
    when_called,
    write,
)
from otelprov.instrumentation._wrapping import followed, iterating, site_of
from otelprov.recording import faults, observation, places
from otelprov.recording.observation import known_inputs
from otelprov.recording.recorder import OpenOperation, current_operation
from otelprov.recording.streams import Within, opened, without_options

TABULAR: Final = ("Table", "RecordBatch")
COLUMNS: Final = ("ChunkedArray", "Array")


def _in_memory() -> Iterable[Entry]:
    yield transform("concat_tables", lists="tables")
    yield transform("concat_batches", lists="recordbatches")
    for name in ("concat_arrays", "array", "chunked_array"):
        yield step(name)
    for name in ("table", "record_batch"):
        yield transform(name, hands_over=True, only_when=_takes_over)
    for name in (
        "filter sort_by drop_null cast rename_columns drop_columns drop remove_column "
        "add_column append_column set_column"
    ).split():
        yield from _named(transform, name, *TABULAR)
    rows: dict[str, Any] = {"only_when": _rows_are_asked_for, "keeps_columns": True}
    yield from _named(transform, "take", *TABULAR, **rows)
    yield transform("Table.slice", name="Table.slice", **rows)
    yield step("RecordBatch.slice", around=_slicing)
    for name in ("combine_chunks", "unify_dictionaries", "replace_schema_metadata", "to_batches"):
        yield from each(step(name, keeps_columns=True), *TABULAR)
    for name in ("flatten", "to_struct_array", "to_tensor", "__array__"):
        yield from each(step(name), *TABULAR)
    yield from each(step("select", around=_choosing), *TABULAR)
    yield from each(step("_column", name="column", around=_taking), *TABULAR)
    for name in ("from_arrays", "from_pydict", "from_pylist", "from_struct_array"):
        yield from each(step(name), *TABULAR)
    yield step("Table.from_batches", around=_gathering)
    for owner in TABULAR:
        yield transform(f"{owner}.from_pandas", name=f"{owner}.from_pandas", hands_over=True)
    yield from _named(transform, "to_pandas", *TABULAR, *COLUMNS, hands_over=True)
    yield from _named(write, "to_pydict", *TABULAR, only_when=_rows_are_asked_for)
    yield from _named(write, "to_pylist", *TABULAR, *COLUMNS, only_when=_rows_are_asked_for)
    for name in ("to_numpy __array__ combine_chunks flatten unify_dictionaries view diff").split():
        yield from each(step(name), *COLUMNS)
    yield from each(step("slice", around=_slicing), *COLUMNS)
    yield step("ChunkedArray.chunk", around=_taking)
    yield step("Array.from_pandas")
    yield from each(step("from_arrays"), "StructArray", "ListArray", "DictionaryArray", "MapArray")
    yield step("StructArray.field")
    yield step("DictionaryArray.dictionary_decode")
    for name in ("memory_map", "create_memory_map", "input_stream", "output_stream"):
        yield step(name, around=_streaming)
    yield write(
        "BufferOutputStream.getvalue",
        name="BufferOutputStream.getvalue",
        observed=_Given,
        only_when=lambda _, sink: registry.lookup(sink) is not None,
    )
    yield from _batches()


class _Given(Observed):
    """What was written into memory."""

    __slots__ = ()

    def _written(self, result: object) -> None:
        self.operation.generate_content("return", result)


def _ipc() -> Iterable[Entry]:
    for name in ("open_file", "open_stream"):
        yield read(name, name=f"ipc.{name}", source="source", places=_source)
    for name in ("RecordBatchFileReader", "RecordBatchStreamReader"):
        yield read(
            f"{name}.__init__",
            name=f"ipc.{name}",
            source="source",
            in_place="always",
            places=_source,
        )
    for name in ("RecordBatchFileWriter", "RecordBatchStreamWriter"):
        yield step(f"{name}.__init__", in_place="always", around=_opening)


def _batches() -> Iterable[Entry]:
    """What reads and writes batches in turn."""
    readers = ("RecordBatchReader", "RecordBatchFileReader")
    yield from _named(read, "read_all", *readers, clean=_clean)
    yield from _named(read, "read_pandas", *readers)
    yield step("RecordBatchReader.read_next_batch", around=_handing_on)
    for name in ("get_batch", "get_record_batch"):
        yield step(f"RecordBatchFileReader.{name}", around=_handing_on)
    yield step("Table.to_reader", around=_handing_on)
    yield step("RecordBatchReader.from_batches", around=_handing_on)
    stream = "RecordBatchReader.from_stream"
    yield read(stream, name=stream, hands_over=True)
    for name in ("write", "write_batch", "write_table"):
        yield write(
            f"RecordBatchFileWriter.{name}", name=f"RecordBatchWriter.{name}", collects="self"
        )
    for name in ("close", "__exit__"):
        yield write(
            f"RecordBatchFileWriter.{name}",
            name="RecordBatchWriter.close",
            target="sink",
            places=_opened_before,
        )


def _rows_are_asked_for(parameters: Mapping[str, Any], table: Any) -> bool:
    """Whether it is more than one row: who takes one takes all, one after the other."""
    length = parameters.get("length")
    try:
        if length is None:
            length = len(parameters.get("indices", table))
        return bool(length > 1)
    except TypeError:  # what pyarrow will refuse
        return True


def _takes_over(parameters: Mapping[str, Any], _: object) -> bool:
    """Whether a table is made of another library's, and not of columns."""
    return not isinstance(parameters.get("data"), (dict, list, tuple))


def _named(kind: Callable[..., Entry], method: str, *owners: str, **facts: Any) -> list[Entry]:
    """A method of several classes, which may have it of one base: its operations are called after
    the class of the object."""
    name = f"{{self.__class__.__name__}}.{method}"
    return [kind(f"{owner}.{method}", name=name, **facts) for owner in owners]


def _compute() -> Iterable[Entry]:
    yield step("Function.call", around=_computing)


def _scans() -> Iterable[Entry]:
    for owner in ("Dataset", "Scanner", "Fragment"):
        for name in ("to_table", "head", "take"):
            yield read(f"{owner}.{name}", name=f"{owner}.{name}", clean=_clean)
        yield step(f"{owner}.to_batches", around=iterating)
    for name in ("Dataset.filter", "Dataset.replace_schema", "Dataset.scanner"):
        yield step(name, around=_handing_on)
    yield step("Dataset.get_fragments", around=iterating)
    yield step("Fragment.scanner", around=_handing_on)
    yield step("Scanner.to_reader", around=_handing_on)
    yield step("Scanner.from_batches", around=_handing_on)


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
            f"ParquetWriter.{method}",
            name="ParquetWriter.close",
            target="where",
            places=_opened_before,
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
            f"ORCWriter.{method}", name="ORCWriter.close", target="where", places=_opened_before
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


def _files() -> Iterable[Entry]:
    for name in ("open_input_file", "open_input_stream", "open_output_stream"):
        yield step(f"FileSystem.{name}", around=_streaming_within)
    yield write("copy_files", name="fs.copy_files", observed=when_called("_arrow_copies", "Copied"))


def _acero() -> Iterable[Entry]:
    yield transform("_perform_join", name="Table.join")
    yield transform("_perform_join_asof", name="Table.join_asof")
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


def _opening(original: Callable[..., Any]) -> Callable[..., Any]:
    """A writer that does not keep the name of its file."""
    return followed(original, _noted, "the file of a writer is not known")


def _noted(_: object, __: object, writer: Any, *given: Any, **named: Any) -> None:
    _files_of[writer] = given[0] if given else named.get("where", named.get("sink"))


def _streaming(original: Callable[..., Any]) -> Callable[..., Any]:
    """A stream that does not say the name of its file."""
    return followed(original, _opened_by_name, "the file of a stream is not known")


def _opened_by_name(_: object, stream: Any, *given: Any, **named: Any) -> None:
    name = given[0] if given else named.get("path", named.get("source"))
    if isinstance(name, (str, os.PathLike)) and not _holds_back(stream):
        opened(stream, name)


def _streaming_within(original: Callable[..., Any]) -> Callable[..., Any]:
    """``filesystem.open_input_file(name)``."""
    return followed(original, _opened_within, "the file of a stream is not known")


def _opened_within(
    _: object, stream: Any, filesystem: Any, path: Any, *__: Any, **___: Any
) -> None:
    if not _holds_back(stream):
        opened(stream, Within(filesystem, os.fspath(path)))


def _holds_back(stream: Any) -> bool:
    """Whether what is written to it is in the file when it is closed: it packs, or has a buffer."""
    return type(stream).__name__.endswith("OutputStream")


_files_of: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()
"""Of writers that do not keep it."""


def _opened_before(parameters: Mapping[str, Any]) -> Any:
    """The file of a writer that something was written to; a ``ParquetWriter`` keeps its name."""
    writer = parameters["self"]
    if registry.lookup(writer) is None:
        return None
    return without_options(_files_of.get(writer) or getattr(writer, "where", None))


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


def _assign(made: object, identity: Identity | None) -> None:
    if identity is not None:
        registry.assign(made, identity)


def _taking(original: Callable[..., Any]) -> Callable[..., Any]:
    """``table["a"]`` and ``column.chunk(0)``: a loop may ask for one again and again."""
    step_ = Step("pyarrow", original.__name__.strip("_"))

    def taken(frame: FrameType | None, made: Any, whole: Any, i: int) -> None:
        identity = registry.lookup(whole)
        if identity is None or is_internal(frame):
            return
        place = (id(identity), step_.name, i)
        found = _parts.get(place)
        if found is None or found[0] is not identity:
            column = (None, whole.field(i).name) if hasattr(whole, "field") else None
            picked = column if identity.is_selection else None
            part = derive(step_, [identity], str(i).encode(), picked=picked)
            if part is None:
                return
            if len(_parts) >= MAX_PARTS:
                _parts.clear()
            found = _parts[place] = (identity, part)
        registry.assign(made, found[1])

    return followed(original, taken, "where a column comes from is not known")


MAX_PARTS: Final = 1_000
_parts: Final[dict[tuple[int, str, int], tuple[Identity, Identity]]] = {}
"""What was taken of tables and columns: what they are, kept so that nothing else has its address,
and what that part is."""


def _slicing(original: Callable[..., Any]) -> Callable[..., Any]:
    """Some rows of a batch or a column: whoever takes one row takes all, one after the other."""
    step_ = Step("pyarrow", "slice")

    def sliced(
        frame: FrameType | None, made: Any, whole: Any, offset: int = 0, length: int | None = None
    ) -> None:
        identity = registry.lookup(whole)
        if identity is None or is_internal(frame):
            return
        _assign(
            made, derive(step_, [identity], f"{offset}:{length}".encode(), (), identity.selected)
        )

    return followed(original, sliced, "where a part of a column comes from is not known")


def _gathering(original: Callable[..., Any]) -> Callable[..., Any]:
    """``Table.from_batches(batches)``. The schema says nothing that the batches do not say."""

    def gathered(frame: FrameType | None, made: Any, batches: Any, *_: Any, **__: Any) -> None:
        if not is_internal(frame):
            pass_on(_function("from_batches"), (batches,), {}, made)

    return followed(original, gathered, "where a table comes from is not known")


def _choosing(original: Callable[..., Any]) -> Callable[..., Any]:
    """``table.select(["a", "b"])``."""
    step_ = Step("pyarrow", "select")

    def chosen(frame: FrameType | None, made: Any, whole: Any, columns: object) -> None:
        identity = registry.lookup(whole)
        if identity is None or is_internal(frame):
            return
        names = made.schema.names
        picked = (None, *names) if identity.is_selection else None
        _assign(made, derive(step_, [identity], repr(names).encode(), picked=picked))

    return followed(original, chosen, "where a table comes from is not known")


def _handing_on(original: Callable[..., Any]) -> Callable[..., Any]:
    """What stands for a table, or reads it later, comes from what it was made of."""
    step_ = Step("pyarrow", original.__name__)

    def made_of(frame: FrameType | None, made: Any, *given: Any, **options: Any) -> None:
        if is_internal(frame):
            return
        values = (*given, *options.values())
        known = known_inputs(values)
        computes = any(isinstance(one, dict) for one in values)
        whole = len(known) == 1 and known[0].is_selection and not computes
        _assign(made, derive(step_, known, None, picked=WHOLE if whole else None))

    return followed(original, made_of, "where a table comes from is not known")


def _computing(original: Callable[..., Any]) -> Callable[..., Any]:
    """Every function of ``pyarrow.compute``, by whichever name the program calls it."""

    def computed(
        frame: FrameType | None, made: Any, function: Any, args: Any, options: object = None,
        *_: object, **__: object,
    ) -> None:  # fmt: skip
        while frame is not None and frame.f_globals.get("__name__") == "pyarrow.compute":
            frame = frame.f_back
        if not is_internal(frame):
            said = {} if options is None else {"options": str(options)}
            pass_on(_function(f"compute.{function.name}"), tuple(args), said, made)

    return followed(original, computed, "where computed data comes from is not known")


@cache
def _function(name: str) -> Site:
    import pyarrow

    entry = step(name)._replace(name=name)
    return site_of(entry, "pyarrow", pyarrow.__version__, _function, _function, method=False)


ODDITIES: Final = (
    "A name in a file system of pyarrow's own (S3FileSystem, GcsFileSystem, also through "
    "SubTreeFileSystem or an s3:// URI) is known by its location: it is C++ and tells no version. "
    "Parquet and Feather files that were recorded when they were written say themselves which "
    "table they hold, and who wrote it.",
    "What is written to a stream that packs it or has a buffer (`open_output_stream` of a name "
    "that ends in .gz, `buffer_size`), or to one that is opened to add to a file, is of unknown "
    "place: it is in the file when the stream is closed.",
    "Methods of pyarrow's classes in C are recorded on CPython with its lock. On others, and where "
    "a class is made in C and not by a method (`csv.CSVWriter`, `OSFile`), what comes out of it is "
    "of unknown origin, known by its content. `read_message`, `read_record_batch`, `read_tensor`, "
    "`write_tensor`, `serialize_pandas`, `deserialize_pandas` and `parquet.ParquetReader` are not "
    "recorded; `new_file` and `new_stream` only open a file, which is written when it is closed.",
    "A scalar that is computed or taken out of a column (`pc.sum`, `column[0]`) is not followed.",
    "What reads or writes only schemas and metadata is no operation (`read_metadata`, "
    "`read_schema`, `write_metadata`).",
)

# Each part is patched when the program imports it.
TABLES = {
    "pyarrow": _in_memory,
    "pyarrow.ipc": _ipc,
    "pyarrow._compute": _compute,
    "pyarrow._dataset": _scans,
    "pyarrow.parquet": _parquet,
    "pyarrow.csv": _csv,
    "pyarrow.feather": _feather,
    "pyarrow.json": _json,
    "pyarrow.orc": _orc,
    "pyarrow.dataset": _dataset,
    "pyarrow.fs": _files,
    "pyarrow.acero": _acero,
}
