"""What the arguments of Polars' functions say: eager or lazy, and which places they name."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from otelprov.artifacts import carrier
from otelprov.artifacts.deferred import resolve
from otelprov.artifacts.registry import registry
from otelprov.instrumentation._table import Arguments, Keywords
from otelprov.recording import faults, observation, places
from otelprov.recording.plans import expanded
from otelprov.recording.recorder import OpenOperation


def at_once(parameters: Mapping[str, Any], _: object) -> bool:
    """Whether a sink or ``collect_all`` executes its plan, and does not give another."""
    return not parameters.get("lazy")


def of_data(parameters: Mapping[str, Any], _: object) -> bool:
    """Whether the first of several frames is data."""
    items = parameters.get("items", parameters.get("frames", ()))
    if isinstance(items, Mapping):
        items = list(items.values())
    while isinstance(items, (list, tuple)) and items:
        items = items[0]
    return observation.data_kind(items) is not None


def is_foreign(parameters: Mapping[str, Any], _: object) -> bool:
    """Whether a frame is made of the table of another library, or of what gives it one."""
    data = parameters.get("data", parameters.get("values"))
    if data is None:
        data = parameters.get("name")  # pl.Series(values)
    if observation.data_kind(data) == "table":
        return type(data).__module__.partition(".")[0] in ("pandas", "pyarrow")
    return hasattr(type(data), "__arrow_c_stream__") and registry.lookup(data) is None


def selects_rows(parameters: Mapping[str, Any], _: object) -> bool:
    """``df[1:3]``, ``df[[0, 2], "a"]`` choose rows; ``df["a"]`` and ``df[["a", "b"]]`` columns."""
    key = parameters.get("key", parameters.get("item"))
    rows = key[0] if isinstance(key, tuple) and key else key
    if isinstance(rows, slice):
        return rows != slice(None)
    if isinstance(rows, (list, range)):
        return bool(rows) and not isinstance(rows[0], str)
    return observation.data_kind(rows) is not None


def source(parameters: Mapping[str, Any]) -> Any:
    """What is read; the files that a pattern stands for."""
    source = parameters.get("source")
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        if isinstance(name, str) and any(sign in name for sign in "*?[") and "://" not in name:
            return expanded(source)
    return source


def file(parameters: Mapping[str, Any]) -> Any:
    """Where a frame is written to; of files by partition, the directory that they are in."""
    target = parameters.get("file", parameters.get("path"))
    for name in ("base_path", "_base_path"):
        base = getattr(target, name, None)
        if base is not None:
            return base
    inner = getattr(target, "_pl_partition_by", None) or getattr(target, "_py_partition_by", None)
    return getattr(inner, "base_path", target)


def dataset(parameters: Mapping[str, Any]) -> Any:
    """The files of a data set of pyarrow."""
    source = parameters["source"]
    return list(getattr(source, "files", ())) or source


# --- ids that travel in Parquet files -------------------------------------------------------------


def carry(
    operation: OpenOperation, arguments: Arguments, keywords: Keywords
) -> tuple[Arguments, Keywords]:
    """The written table carries its id and its span in the metadata of the file."""
    own = keywords.get("metadata")
    if (
        not _has_metadata()
        or keywords.get("use_pyarrow")
        or not isinstance(own, (dict, type(None)))
    ):
        return arguments, keywords  # what pyarrow writes carries it as other tables of pyarrow
    if operation.content is None:
        operation.content = observation.look_at(operation, arguments[0])
        if operation.content is None:
            return arguments, keywords
    content = resolve(operation.content)
    if content.coverage != "full":
        return arguments, keywords
    target = arguments[1] if len(arguments) > 1 else keywords.get("file")
    part = bool(keywords.get("partition_by")) or type(target).__name__.startswith("Partition")
    added = carrier.arrow_metadata(places.carried(operation, content.id, part=part))
    said = {key.decode(): value.decode() for key, value in added.items()}
    return arguments, {**keywords, "metadata": {**(own or {}), **said}}


@cache
def _has_metadata() -> bool:
    function: Callable[..., Any] = sys.modules["polars"].DataFrame.write_parquet
    return "metadata" in inspect.signature(function).parameters


def cleaning(original: Callable[..., Any]) -> Callable[..., Any]:
    """For ``read_parquet_metadata``: the program sees the metadata that it wrote."""

    def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
        try:
            found = original(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            raise
        try:
            for key in carrier.KEYS:
                found.pop(key.decode(), None)
        except Exception as fault:
            faults.tell("what a file carries is seen by the program", fault)
        return found

    return wrapper
