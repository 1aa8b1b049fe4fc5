"""Files that strangers open themselves, in parts, packed, or under a temporary name."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import programs
import pytest
import strangers
from click.testing import CliRunner

from otelprov.cli import main

WRITES = """
    import bz2, codecs, gzip, lzma, os, shutil, tempfile, zipfile
    import numpy as np, pandas as pd, polars as pl
    first = pd.read_csv("first.csv")  # @first
    second = pd.read_csv("second.csv")  # @second
    with gzip.GzipFile("gzip.csv.gz", "wb", mtime=0) as file:
        first.to_csv(file, index=False)  # @gz
        second.to_csv(file, index=False, header=False)  # @gz
    with bz2.open("bz2.csv.bz2", "wt") as file:
        first.to_csv(file, index=False)  # @bz2
        second.to_csv(file, index=False, header=False)  # @bz2
    with lzma.open("lzma.csv.xz", "wt") as file:
        second.to_csv(file, index=False)  # @xz
    with zipfile.ZipFile("zip.zip", "w") as archive:
        for name, table in {"first": first, "second": second}.items():
            with archive.open(zipfile.ZipInfo(name), "w") as file:
                table.to_csv(file, index=False)  # @zip
    with open("first.csv", "rb") as source, gzip.GzipFile("poured.csv.gz", "wb", mtime=0) as file:
        shutil.copyfileobj(source, file)  # @poured
    with gzip.GzipFile("polars.csv.gz", "wb", mtime=0) as file:
        pl.from_pandas(second).write_csv(file)  # @polars
    with open("plain.csv", "w") as file:
        file.write("# both\\n")
        first.to_csv(file, index=False)  # @plain
        second.to_csv(file, index=False, header=False)  # @plain
    with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False, dir=".") as file:
        second.to_csv(file, index=False)  # @temporary
    os.replace(file.name, "temporary.csv")  # @moved
    with codecs.open("codecs.csv", "w", "utf-8") as file:
        second.to_csv(file, index=False, sep=";")  # @codecs
    left = gzip.GzipFile("left open.gz", "wb", mtime=0)
    first.to_csv(left)  # @left
"""
READS = """
    import pandas as pd
    for name in ("gzip.csv.gz", "bz2.csv.bz2", "lzma.csv.xz", "poured.csv.gz", "polars.csv.gz",
                 "plain.csv", "temporary.csv", "codecs.csv"):
        pd.read_csv(name, comment="#").to_json(f"{name}.json")
"""
RAW = {
    "gzip.csv.gz": {"first.csv", "second.csv"},
    "bz2.csv.bz2": {"first.csv", "second.csv"},
    "lzma.csv.xz": {"second.csv"},
    "poured.csv.gz": {"first.csv"},
    "polars.csv.gz": {"second.csv"},
    "plain.csv": {"first.csv", "second.csv"},
    "temporary.csv": {"second.csv"},
    "codecs.csv": {"second.csv"},
}
FILES = {"first.csv": "k,v\n" + "1,2.50\n" * 400, "second.csv": "k,v\n" + "3,4.50\n" * 400}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> strangers.Recording:
    directory = tmp_path_factory.mktemp("opened")
    for name, text in FILES.items():
        (directory / name).write_text(text)
    return strangers.record(directory, WRITES, READS)


@pytest.mark.parametrize("name", RAW)
def test_a_file_that_was_open_goes_back_to_all_that_was_put_into_it(
    recording: strangers.Recording, name: str
) -> None:
    assert recording.roots(f"{name}.json") == RAW[name]
    assert recording.gaps(f"{name}.json") == []


def test_the_operations_on_open_files_are_those_drawn_by_hand(
    recording: strangers.Recording,
) -> None:
    (temporary,) = [
        one["otelprov.artifact.name"]
        for span in recording.spans
        if span.name == "os.replace"
        for one in span.used
    ]
    drawn = strangers.drawn(
        f"""
        pandas.read_csv@first: first.csv -> return
        pandas.read_csv@second: second.csv -> return
        pandas.to_csv@gz: pandas.read_csv@first -> target
        pandas.to_csv@gz: pandas.read_csv@second, pandas.to_csv@gz -> gzip.csv.gz
        pandas.to_csv@bz2: pandas.read_csv@first -> target
        pandas.to_csv@bz2: pandas.read_csv@second, pandas.to_csv@bz2 -> bz2.csv.bz2
        pandas.to_csv@xz: pandas.read_csv@second -> lzma.csv.xz
        pandas.to_csv@zip: pandas.read_csv@first -> target
        pandas.to_csv@zip: pandas.read_csv@second, pandas.to_csv@zip -> zip.zip
        shutil.copyfileobj@poured: first.csv -> poured.csv.gz
        polars.from_pandas@polars: pandas.read_csv@second -> return
        polars.write_csv@polars: polars.from_pandas@polars -> polars.csv.gz
        pandas.to_csv@plain: pandas.read_csv@first -> plain.csv
        pandas.to_csv@plain: pandas.read_csv@second, plain.csv -> plain.csv
        pandas.to_csv@temporary: pandas.read_csv@second -> {temporary}
        os.replace@moved: {temporary} -> temporary.csv
        pandas.to_csv@codecs: pandas.read_csv@second -> codecs.csv
        pandas.to_csv@left: pandas.read_csv@first -> left open.gz
        """
    )
    found = recording.graph()
    assert {line: number for line, number in found.items() if line in drawn} == drawn
    assert not [line for line in found - drawn if "json" not in line and "-> return" not in line]


def test_a_stream_that_packs_writes_the_same_bytes_when_it_is_recorded(tmp_path: Path) -> None:
    found = programs.compared(tmp_path, WRITES, files=FILES, env={"OTELPROV_CARRIER": "off"})
    for name in (*RAW, "zip.zip"):
        assert (found.directory / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


PUBLISH = """
    import os, shutil
    import pandas as pd
    os.makedirs("out")
    for name in ("first", "second"):
        pd.read_csv(f"{name}.csv").drop_duplicates().to_csv(f"out/{name}.csv")
    shutil.copytree("out", "published")
    shutil.copy("first.csv", "staged.csv")
    pd.read_csv("staged.csv").to_json("staged.json")
    pd.read_csv("published/first.csv").to_json("first.json")
    both = [pd.read_csv(f"published/{name}.csv") for name in ("first", "second")]
    pd.concat(both, ignore_index=True).to_json("both.json")
"""


def test_a_file_that_was_copied_with_others_does_not_come_from_these(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    recording = strangers.record(directory, PUBLISH)
    assert recording.roots("first.json") == {"first.csv"}
    assert recording.roots("published/second.csv") == {"second.csv"}
    assert recording.roots("both.json") == {"first.csv", "second.csv"}
    assert recording.roots("staged.json") == {"first.csv"}
    arguments = ["lineage", str(directory / "staged.json")]
    tree = CliRunner().invoke(main, arguments, env={"OTELPROV_JOURNAL": str(recording.journal)})
    copied = [line for line in tree.stdout.splitlines() if line.startswith("◆")]
    assert [Path(line.split()[1]).name for line in copied] == [
        "staged.json",
        "staged.csv",
        "first.csv",
    ]


ARCHIVES = """
    import tarfile, zipfile
    import pandas as pd
    with zipfile.ZipFile("in.zip") as archive:
        with archive.open("first.csv") as member:
            pd.read_csv(member).to_json("member.json")  # @member
        archive.extractall("out")  # @extract
    pd.read_csv("out/second.csv").to_json("extracted.json")  # @extracted
    with tarfile.open("in.tar.gz") as archive:
        pd.read_csv(archive.extractfile("first.csv")).to_json("tar.json")  # @tar
    with zipfile.ZipFile("packed.zip", "w") as archive:
        archive.write("extracted.json")  # @pack
"""
UNPACKED = """
    pandas.read_csv@member: in.zip -> return
    pandas.to_json@member: pandas.read_csv@member -> member.json
    shutil.copyfileobj@extract: in.zip -> out/first.csv
    shutil.copyfileobj@extract: in.zip -> out/second.csv
    pandas.read_csv@extracted: out/second.csv -> return
    pandas.to_json@extracted: pandas.read_csv@extracted -> extracted.json
    pandas.read_csv@tar: in.tar.gz -> return
    pandas.to_json@tar: pandas.read_csv@tar -> tar.json
    shutil.copyfileobj@pack: extracted.json -> packed.zip
"""


def test_a_member_of_an_archive_comes_from_the_archive(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    with zipfile.ZipFile(directory / "in.zip", "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
    (tmp_path / "first.csv").write_text(FILES["first.csv"])
    with tarfile.open(directory / "in.tar.gz", "w:gz") as packed:
        packed.add(tmp_path / "first.csv", "first.csv")
    recording = strangers.record(directory, ARCHIVES)
    assert recording.graph() == strangers.drawn(UNPACKED)
    assert recording.roots("extracted.json") == {"in.zip"}


ARCHIVING = """
    import io, os, shutil, tarfile, zipfile
    import pandas as pd
    table = pd.read_csv("first.csv")  # @first
    os.makedirs("tree/sub")
    table.to_csv("tree/table.csv")  # @table
    table.to_parquet("tree/sub/table.parquet")  # @parquet
    with tarfile.open("tree.tar.gz", "w:gz") as archive:
        archive.add("tree/sub")  # @tree
    with tarfile.open("added.tar", "w") as archive:
        member, data = tarfile.TarInfo("made.json"), table.to_json().encode()  # @json
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))  # @member
        archive.addfile(tarfile.TarInfo("empty"))
    with tarfile.open("added.tar", "a") as archive:
        archive.add("second.csv")  # @more
    with tarfile.open("stream.tar.gz", "w|gz") as archive:
        archive.add("second.csv")  # @stream
    with zipfile.ZipFile("written.zip", "w") as archive:
        archive.writestr("a.csv", table.to_csv())  # @text
    with zipfile.ZipFile("written.zip", "a") as archive:
        archive.writestr(zipfile.ZipInfo("b.csv"), b"unknown")  # @unknown
    shutil.make_archive("tree", "zip", "tree/sub")  # @zipped
    shutil.make_archive("made", "gztar", "tree/sub")  # @tarred
"""
ARCHIVED = """
    pandas.read_csv@first: first.csv -> return
    pandas.to_csv@table: pandas.read_csv@first -> tree/table.csv
    pandas.to_parquet@parquet: pandas.read_csv@first -> content, tree/sub/table.parquet
    tarfile.add@tree: tree/sub/table.parquet -> tree.tar.gz
    pandas.to_json@json: pandas.read_csv@first -> return
    tarfile.add@member: pandas.to_json@json -> added.tar
    tarfile.add@more: added.tar, second.csv -> added.tar
    tarfile.add@stream: second.csv -> stream.tar.gz
    pandas.to_csv@text: pandas.read_csv@first -> return
    zipfile.writestr@text: pandas.to_csv@text -> written.zip
    zipfile.writestr@unknown: ?, written.zip -> written.zip
    shutil.copyfileobj@zipped: tree/sub/table.parquet -> tree.zip
    tarfile.add@tarred: tree/sub/table.parquet -> made.tar.gz
"""
UNARCHIVES = """
    import shutil, tarfile
    import pandas as pd
    with tarfile.open("tree.tar.gz") as archive:
        archive.extractall("a")  # @all
    pd.read_parquet("a/tree/sub/table.parquet").to_json("a.json")  # @a
    with tarfile.open("stream.tar.gz", "r|gz") as archive:
        for member in archive:
            archive.extract(member, "b")  # @each
    pd.read_csv("b/second.csv").to_json("b.json")  # @b
    shutil.unpack_archive("tree.zip", "c")  # @zipped
    shutil.unpack_archive("made.tar.gz", "d")  # @tarred
"""
UNARCHIVED = """
    tarfile.extract@all: tree.tar.gz -> a/tree/sub/table.parquet
    pandas.read_parquet@a: a/tree/sub/table.parquet -> return
    pandas.to_json@a: pandas.read_parquet@a -> a.json
    tarfile.extract@each: stream.tar.gz -> b/second.csv
    pandas.read_csv@b: b/second.csv -> return
    pandas.to_json@b: pandas.read_csv@b -> b.json
    shutil.copyfileobj@zipped: tree.zip -> c/table.parquet
    tarfile.extract@tarred: made.tar.gz -> d/table.parquet
"""


def test_archives_are_made_of_files_and_give_them_back(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    recording = strangers.record(directory, ARCHIVING, UNARCHIVES)
    assert recording.graph() == strangers.drawn(ARCHIVED) + strangers.drawn(UNARCHIVED)
    assert recording.roots("a.json") == {"first.csv"}
    assert {"tarfile.extract", "tarfile.add"} <= recording.operations("b.json")
    members = {one.attributes.get("otelprov.parameter.member") for one in recording.spans}
    assert {"made.json", "a.csv", "tree/sub/table.parquet"} <= members


OPENED = """
    import gzip
    from pathlib import Path
    import pandas as pd
    text = Path("first.csv").read_text()  # @read
    Path("copy.csv").write_text(text.upper())  # @write
    with Path("more.csv").open("w") as file:  # @more
        file.write(text)
    with gzip.open("packed.gz", "wt") as file:  # @gzip
        file.write(text)
    frame = pd.read_csv("first.csv")  # @frame
    with open("held.csv", "w") as file:  # @held
        frame.to_csv(file)  # @held
    del file
"""
OPENINGS = """
    builtins.open@read: first.csv ->
    builtins.open@write: ? -> copy.csv
    builtins.open@more: ? -> more.csv
    builtins.open@gzip: ? -> packed.gz
    pandas.read_csv@frame: first.csv -> return
    builtins.open@held: -> held.csv
    pandas.to_csv@held: pandas.read_csv@frame -> held.csv
"""


def test_files_that_are_opened_through_pathlib_and_gzip_are_recorded_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "first.csv").write_text(FILES["first.csv"])
    recording = strangers.record(directory, OPENED, OTELPROV_RECORD_OPEN="on")
    assert recording.graph() == strangers.drawn(OPENINGS)
    assert recording.roots("copy.csv") == {"?"}
    assert recording.roots("held.csv") == {"first.csv"}


DESCRIPTORS = """
    import gzip, os, tempfile
    import pandas as pd
    first = pd.read_csv("first.csv").drop_duplicates()
    descriptor, temporary = tempfile.mkstemp(dir=".")
    with os.fdopen(descriptor, "wb") as file:
        first.to_parquet(file)  # @parquet
    os.replace(temporary, "first.parquet")
    descriptor = os.open("packed.csv.gz", os.O_WRONLY | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb") as file:
        first.to_csv(file)  # @packed
    with os.fdopen(os.open("second.csv", os.O_RDONLY)) as file:
        second = pd.read_csv(file)  # @second
    with tempfile.TemporaryFile("w+") as file:
        second.to_csv(file)  # @nowhere
        file.seek(0)
        pd.read_csv(file).to_json("nowhere.json")  # @nowhere
    with tempfile.SpooledTemporaryFile(mode="w+") as file:
        second.to_csv(file, sep=";")  # @spooled
        file.seek(0)
        pd.read_csv(file, sep=";").to_json("spooled.json")  # @spooled
"""
UNPACKS = """
    import pandas as pd
    pd.read_parquet("first.parquet").to_json("first.json")
    pd.read_csv("packed.csv.gz").to_json("packed.json")
"""


def test_a_file_that_is_opened_by_its_descriptor_is_known_by_its_place_or_its_bytes(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    recording = strangers.record(directory, DESCRIPTORS, UNPACKS)
    found = recording.graph()
    assert "pandas.to_csv@packed: pandas.drop_duplicates -> packed.csv.gz" in found
    assert "pandas.read_csv@second: second.csv -> return" in found
    for name in ("nowhere", "spooled"):
        assert f"pandas.read_csv@{name}: pandas.to_csv@{name} -> return" in found
        assert recording.roots(f"{name}.json") == {"second.csv"}
    for name in ("first", "packed"):
        assert recording.roots(f"{name}.json") == {"first.csv"}
