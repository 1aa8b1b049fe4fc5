"""Objects of Google Cloud Storage, by gcsfs, on a real server of its protocol."""

from __future__ import annotations

import importlib
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import collectors
import edges
import gcs
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import support
from support import Spans

import otelprov
from otelprov.instrumentation.instrumentors import libraries
from otelprov.recording.streams import version_of

# Before gcsfs is imported: else it asks for each bucket whether it is zonal, by gRPC.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
pytest.importorskip("gcsfs")

CSV = b"k,v\n1,10\n2,20\n"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server, with the bucket ``lake``."""
    log = tmp_path_factory.mktemp("gcs") / "log"
    collectors.build_or_skip(gcs.FAKE_GCS)
    with gcs.running(log) as url:
        yield url


@pytest.fixture
def options(server: str) -> dict[str, str]:
    return {"endpoint_url": server, "token": "anon", "project": "test"}


@pytest.fixture
def store(options: dict[str, str], spans: Spans) -> Any:
    import gcsfs

    return gcsfs.GCSFileSystem(**options)


# The oldest gcsfs leaves to fsspec how a file is moved.
MOVES = ("mv", "mv_file")
HAS_MOVES = hasattr(importlib.import_module("gcsfs.core").GCSFileSystem, "mv_file")


def version(store: Any, path: str) -> str:
    """The id of the object as it is now."""
    store.invalidate_cache()
    generation = store.info(path)["generation"]
    return version_of(f"gs://{path}", {"generation": generation}).id


def test_files_that_are_put_and_got(spans: Spans, store: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    store.put(str(tmp_path / "a.csv"), "lake/a.csv")
    store.get("lake/a.csv", str(tmp_path / "back.csv"))
    store.copy("lake/a.csv", "lake/b.csv")
    assert store.cat("lake/b.csv") == CSV
    b = version(store, "lake/b.csv")
    store.mv("lake/b.csv", "lake/c.csv")
    store.pipe("lake/d.csv", CSV)
    recorded = spans.all()
    names = {
        "file": edges.file_id(CSV),
        "b": b,
        **{name: version(store, f"lake/{name}.csv") for name in "acd"},
    }
    mover = "gcsfs" if HAS_MOVES else "fsspec"
    assert edges.found(recorded, names) == edges.expected(
        f"""
        file -> fsspec.put  -> file a
        a    -> fsspec.get  -> file
        a    -> fsspec.copy -> b
        b    -> fsspec.cat  -> file
        b    -> {mover}.mv   -> c
        file -> fsspec.pipe -> file d
        """
    )


def test_tables_that_pandas_and_pyarrow_keep_there(
    spans: Spans, store: Any, options: dict[str, str]
) -> None:
    frame = pd.DataFrame({"k": [1, 2], "v": [10, 20]})
    frame.to_parquet("gs://lake/t.parquet", storage_options=options)
    one = pd.read_parquet("gcs://lake/t.parquet", storage_options=options)
    frame.to_csv("gs://lake/t.csv", index=False, storage_options=options)
    two = pd.read_csv("gs://lake/t.csv", storage_options=options)
    pq.write_table(pa.table({"k": [1]}), "lake/p.parquet", filesystem=store)
    three = pq.read_table("lake/p.parquet", filesystem=store)
    recorded = spans.all()
    same = otelprov.artifact(one).id
    assert otelprov.artifact(two).id == same
    names = {
        "frame": same,
        "three": otelprov.artifact(three).id,
        "parquet": version(store, "lake/t.parquet"),
        "csv": version(store, "lake/t.csv"),
        "p": version(store, "lake/p.parquet"),
    }
    assert edges.found(recorded, names) == edges.expected(
        """
        frame   -> pandas.to_parquet           -> parquet frame
        parquet -> pandas.read_parquet         -> frame
        frame   -> pandas.to_csv               -> csv
        csv     -> pandas.read_csv             -> frame
        three   -> pyarrow.parquet.write_table -> p three
        p       -> pyarrow.parquet.read_table  -> three
        """
    )
    carriers = {
        one["otelprov.artifact.carrier"]
        for span in recorded
        for one in span.used
        if "otelprov.artifact.carrier" in one
    }
    assert carriers == {"verified"}


def test_open_files_and_uploads_in_parts(spans: Spans, store: Any) -> None:
    large = bytes(range(256)) * 4096 * 6  # 6 MiB: more than one request takes
    with store.open("lake/large.bin", "wb", block_size=1 << 20) as file:
        for start in range(0, len(large), 1 << 20):
            file.write(large[start : start + (1 << 20)])
    with store.open("lake/large.bin", "rb") as file:
        assert file.read() == large
    recorded = spans.all()
    names = {"file": edges.file_id(large), "large": version(store, "lake/large.bin")}
    assert edges.found(recorded, names) == edges.expected(
        """
        file  -> fsspec.GCSFile.write -> file large
        large -> fsspec.GCSFile.read  -> file
        """
    )


def test_what_is_overwritten_is_another_version(spans: Spans, store: Any) -> None:
    store.pipe("lake/x", b"1")
    first = version(store, "lake/x")
    store.pipe("lake/x", b"1")
    second = version(store, "lake/x")
    assert first != second
    store.cat("lake/x")
    read = [span for span in spans.all() if span.name == "fsspec.cat"]
    assert read[-1].used_ids == {second}


def test_what_is_not_there_raises_as_before(spans: Spans, store: Any) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        store.cat("lake/nothing")
    assert not support.is_ours(raised)
    (span,) = spans.all()
    assert span.status["code"] == 2


def test_what_is_patched_pickles_and_comes_back(store: Any) -> None:
    import gcsfs.core

    kind = gcsfs.core.GCSFileSystem
    for name in ("_request", "_get_file_request", *(MOVES if HAS_MOVES else ())):
        function = getattr(kind, name)
        assert pickle.loads(pickle.dumps(function)) is function
        assert callable(cloudpickle.loads(cloudpickle.dumps(function)))
    patched = {name: vars(kind)[name] for name in ("_request", *(MOVES if HAS_MOVES else ()))}
    libraries["gcsfs"].uninstrument()
    assert all(vars(kind)[name] is not patched[name] for name in patched)
    libraries["gcsfs"].instrument()
