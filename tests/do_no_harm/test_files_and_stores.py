"""What CPython and fsspec test of files and downloads turns out the same, plain and recorded."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import support


def unittests(arguments: list[str], tmp_path: Path, recorded: bool) -> str:
    """What a run of tests says, where `open()` is recorded, too."""
    tmp_path.mkdir()
    launcher = ["opentelemetry-instrument"] if recorded else []
    result = subprocess.run(
        [*launcher, sys.executable, *arguments],
        env=support.environment(tmp_path / "journal", OTELPROV_RECORD_OPEN="on"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    return result.stdout + result.stderr


@pytest.mark.parametrize(
    ("names", "operations"),
    [
        (
            ["test.test_shutil"],
            {"shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.move"},
        ),
        (["test.test_urllib", "test.test_urllib2_localnet"], {"urllib.urlopen"}),
        (["test.test_httplib", "test.test_pathlib"], {"os.rename", "os.replace"}),
        (["test.test_gzip", "test.test_file", "test.test_fileinput"], {"builtins.open"}),
    ],
)
@pytest.mark.skipif(importlib.util.find_spec("test.test_shutil") is None, reason="no such tests")
def test_the_standard_librarys_own_tests_turn_out_the_same(
    tmp_path: Path, names: list[str], operations: set[str]
) -> None:
    lines = []
    for recorded in (False, True):
        said = unittests(
            ["-m", "unittest", "-v", *names], tmp_path / f"recorded-{recorded}", recorded
        )
        found = sorted(re.findall(r"^(test\w+ \(.*?\)).*? \.\.\. (\w+)", said, re.M))
        assert len(found) > 50, said[-2000:]
        lines.append(found)
        assert "otelprov" not in said
    assert lines[0] == lines[1]
    spans = support.journal(tmp_path / "recorded-True" / "journal")
    assert operations <= {span.name for span in spans}


SUITE = """
    import fsspec.tests.abstract as abstract
    import pytest
    from fsspec.implementations.local import LocalFileSystem, make_path_posix
    from fsspec.implementations.memory import MemoryFileSystem

    class Local(abstract.AbstractFixtures):
        @pytest.fixture
        def fs(self):
            return LocalFileSystem(auto_mkdir=True)

        @pytest.fixture
        def fs_path(self, tmpdir):
            return str(tmpdir)

        @pytest.fixture
        def fs_sanitize_path(self):
            return make_path_posix

    class Memory(abstract.AbstractFixtures):
        @pytest.fixture
        def fs(self):
            fs = MemoryFileSystem()
            fs.store.clear()
            fs.pseudo_dirs[:] = [""]
            yield fs
            fs.store.clear()
            fs.pseudo_dirs[:] = [""]

        @pytest.fixture
        def fs_join(self):
            return lambda *args: "/".join(args)

        @pytest.fixture
        def fs_path(self):
            return ""

    class TestLocalCopy(abstract.AbstractCopyTests, Local): pass
    class TestLocalGet(abstract.AbstractGetTests, Local): pass
    class TestLocalPut(abstract.AbstractPutTests, Local): pass
    class TestLocalOpen(abstract.AbstractOpenTests, Local): pass
    class TestLocalPipe(abstract.AbstractPipeTests, Local): pass
    class TestMemoryCopy(abstract.AbstractCopyTests, Memory): pass
    class TestMemoryGet(abstract.AbstractGetTests, Memory): pass
    class TestMemoryPut(abstract.AbstractPutTests, Memory): pass
    class TestMemoryOpen(abstract.AbstractOpenTests, Memory): pass
    class TestMemoryPipe(abstract.AbstractPipeTests, Memory): pass
"""


def test_what_fsspec_demands_of_file_systems_holds_the_same(tmp_path: Path) -> None:
    pytest.importorskip("fsspec.tests.abstract")
    (tmp_path / "test_suite.py").write_text(textwrap.dedent(SUITE))
    arguments = [
        "-m", "pytest", str(tmp_path / "test_suite.py"), "-rA", "-q", "-p", "no:cacheprovider",
        "--rootdir", str(tmp_path), "--override-ini=addopts=",
    ]  # fmt: skip
    found = []
    for recorded in (False, True):
        said = unittests(arguments, tmp_path / f"recorded-{recorded}", recorded)
        outcomes = sorted(
            re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED) .*?(test_suite.py\S*)", said, re.M)
        )
        assert len(outcomes) > 100, said[-2000:]
        found.append(outcomes)
    assert found[0] == found[1]
    names = {span.name for span in support.journal(tmp_path / "recorded-True" / "journal")}
    assert {"fsspec.cp", "fsspec.get", "fsspec.put", "fsspec.pipe"} <= names
