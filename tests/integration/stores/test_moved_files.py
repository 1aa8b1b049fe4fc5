"""Files that the program copies, moves and opens: they keep their story."""

from __future__ import annotations

import copy
import inspect
import io
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
import types
from pathlib import Path
from typing import Any

import cloudpickle
import edges
import pandas as pd
import pytest
import support
from support import Spans

import otelprov
from otelprov.instrumentation.files import StandIn
from otelprov.instrumentation.instrumentors import files

CSV = b"k,v\n1,10\n2,20\n3,30\n"


def held(spans: Spans, names: dict[str, str], graph: str) -> None:
    assert edges.found(spans.all(), names) == edges.expected(graph)


def uris(span: support.Recorded) -> list[str]:
    return [event["otelprov.artifact.uri"] for event in span.generated]


def test_a_file_that_is_written_under_another_name_first(spans: Spans, tmp_path: Path) -> None:
    frame = pd.DataFrame({"k": [1, 2], "v": [0.5, 1.5]})
    descriptor, temporary = tempfile.mkstemp(dir=tmp_path)
    os.close(descriptor)
    frame.to_csv(temporary, index=False)
    os.replace(temporary, tmp_path / "final.csv")
    again = pd.read_csv(tmp_path / "final.csv")
    held(
        spans,
        {
            "table": otelprov.artifact(frame).id,
            "file": edges.file_id(tmp_path / "final.csv"),
        },
        """
        table -> pandas.to_csv   -> file
        file  -> os.replace      -> file
        file  -> pandas.read_csv -> table
        """,
    )
    assert uris(spans.one("os.replace")) == [(tmp_path / "final.csv").as_uri()]
    assert spans.one("os.replace").attributes["otelprov.operation.kind"] == "write"
    assert len(again) == 2


def test_a_large_file_that_was_just_written_is_not_read_to_be_moved(
    spans: Spans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.DataFrame({"v": range(3_000_000)})
    frame.to_csv(tmp_path / "t.csv.tmp", index=False)
    assert (tmp_path / "t.csv.tmp").stat().st_size > 16 << 20
    from otelprov.artifacts import contents

    def never(*arguments: object) -> bytes:
        raise AssertionError("read")

    with monkeypatch.context() as patch:
        patch.setattr(contents, "_read", never)
        (tmp_path / "t.csv.tmp").rename(tmp_path / "t.csv")
    wrote, moved = spans.all()
    file = edges.file_id(tmp_path / "t.csv")
    assert moved.used_ids == {file}
    assert file in wrote.generated_ids & moved.generated_ids
    # Who reads a part of it knows it by that.
    (part,) = moved.generated_ids - {file}
    assert part.startswith("version:")
    spans.clear()
    pd.read_csv(tmp_path / "t.csv", nrows=3)
    assert spans.one("pandas.read_csv").used_ids <= {file, part}


def test_a_large_file_of_nobody_known_is_moved_by_its_version(spans: Spans, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(17 << 20))
    os.rename(tmp_path / "big", tmp_path / "moved")
    (span,) = spans.all()
    assert [event["otelprov.artifact.coverage"] for event in span.used + span.generated] == [
        "status", "status"
    ]  # fmt: skip


WAYS: dict[str, Any] = {
    "shutil.copy": lambda a, b: shutil.copy(a, b),
    "shutil.copy2": lambda a, b: shutil.copy2(str(a), str(b)),
    "shutil.copyfile": lambda a, b: shutil.copyfile(src=a, dst=b),
    "shutil.move": lambda a, b: shutil.move(a, b),
    "os.rename": lambda a, b: os.rename(a, b),
    "os.replace": lambda a, b: os.replace(os.fsencode(a), os.fsencode(b)),
    "Path.rename": lambda a, b: a.rename(b),
    "Path.replace": lambda a, b: a.replace(b),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_is_the_same_file_at_another_place(spans: Spans, tmp_path: Path, way: str) -> None:
    source, target = tmp_path / "a.csv", tmp_path / "b.csv"
    source.write_bytes(CSV)
    WAYS[way](source, target)
    (span,) = spans.all()
    assert span.name.rpartition(".")[2] == way.rpartition(".")[2]
    assert span.used_ids == span.generated_ids == {edges.file_id(CSV)}
    assert uris(span) == [target.as_uri()]
    assert span.attributes["code.file.path"] == __file__


def test_a_copy_into_a_directory_is_in_it(spans: Spans, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / "d").mkdir()
    shutil.copy(tmp_path / "a.csv", tmp_path / "d")
    shutil.move(str(tmp_path / "a.csv"), tmp_path / "d" / "moved.csv")
    assert [uri for span in spans.all() for uri in uris(span)] == [
        (tmp_path / "d" / "a.csv").as_uri(),
        (tmp_path / "d" / "moved.csv").as_uri(),
    ]


def test_a_tree_is_copied_and_moved_with_its_files(spans: Spans, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "a.csv").write_bytes(CSV)
    (tree / "below" / "b.txt").write_bytes(b"text")
    shutil.copytree(tree, tmp_path / "whole")
    shutil.copytree(tree, tmp_path / "part", ignore=shutil.ignore_patterns("*.txt"))
    whole = otelprov.artifact(tree).id
    shutil.move(tree, tmp_path / "moved")
    held(
        spans,
        {
            "whole": whole,
            "part": otelprov.artifact(tmp_path / "part").id,
            "a": edges.file_id(CSV),
            "b": edges.file_id(b"text"),
        },
        """
        whole a b -> shutil.copytree -> whole a b
        whole a b -> shutil.copytree -> part a
        whole a b -> shutil.move     -> whole a b
        """,
    )


def test_streams_are_poured_into_files(spans: Spans, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    with (tmp_path / "a.csv").open("rb") as source, (tmp_path / "b.csv").open("wb") as target:
        shutil.copyfileobj(source, target)
    buffer = io.BytesIO(b"head" + CSV)
    buffer.seek(4)
    with (tmp_path / "c.csv").open("wb") as target:
        shutil.copyfileobj(buffer, target)
    held(
        spans,
        {"file": edges.file_id(CSV)},
        """
        file -> shutil.copyfileobj -> file
        file -> shutil.copyfileobj -> file
        """,
    )


def test_what_fails_fails_as_it_does_without(spans: Spans, tmp_path: Path) -> None:
    for act, names in (
        (lambda: os.replace(tmp_path / "no", tmp_path / "x"), []),
        (lambda: shutil.copy(tmp_path / "no", tmp_path / "x"), ["copy", "copyfile"]),
        (lambda: os.rename(), []),  # type: ignore[call-arg]
    ):
        with pytest.raises((FileNotFoundError, TypeError)) as caught:
            act()
        frames = traceback.extract_tb(caught.tb)[2:]
        assert [frame.name for frame in frames if "pytest" not in frame.filename] == names
    assert [span.status.get("code") for span in spans.all()] == [2, 2, 2]
    assert not any(span.generated for span in spans.all())


def test_calls_of_libraries_count_only_for_files_that_are_known(
    spans: Spans, tmp_path: Path
) -> None:
    package = tmp_path / "site-packages" / "atomic_things"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import os, shutil\n"
        "def finish(a, b):\n    os.replace(a, b)\n"
        "def again(a, b):\n    shutil.copy(a, b)\n"
    )
    sys.path.insert(0, str(package.parent))
    try:
        import atomic_things  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(package.parent))
    (tmp_path / "own").write_bytes(b"x")
    atomic_things.finish(str(tmp_path / "own"), str(tmp_path / "own2"))
    atomic_things.again(str(tmp_path / "own2"), str(tmp_path / "own3"))
    assert spans.names() == []
    pd.DataFrame({"k": [1]}).to_csv(tmp_path / "part", index=False)
    atomic_things.finish(str(tmp_path / "part"), str(tmp_path / "whole.csv"))
    assert spans.names() == ["pandas.to_csv", "os.replace"]


def test_the_interpreter_and_log_rotation_make_no_spans(spans: Spans, tmp_path: Path) -> None:
    import logging.handlers
    import py_compile

    (tmp_path / "m.py").write_text("x = 1\n")
    py_compile.compile(str(tmp_path / "m.py"))
    handler = logging.handlers.RotatingFileHandler(tmp_path / "log", maxBytes=10, backupCount=2)
    for number in range(5):
        handler.emit(logging.LogRecord("n", 20, "f", number, "a long message", (), None))
    handler.close()
    assert spans.names() == []


def test_what_stands_in_looks_like_what_it_stands_for() -> None:
    for module, name in (
        ("os", "replace"),
        ("os", "rename"),
        ("shutil", "copy"),
        ("shutil", "move"),
    ):
        function = getattr(sys.modules[module], name)
        original = function.__wrapped__
        assert pickle.loads(pickle.dumps(function)) is function
        assert cloudpickle.loads(cloudpickle.dumps(function)) is function
        assert copy.deepcopy(function) is function
        assert inspect.signature(function) == inspect.signature(original)
        assert function.__name__ == original.__name__
        assert function.__doc__ == original.__doc__
    assert os.rename in os.supports_dir_fd
    assert {os.rename: 1}[os.rename.__wrapped__] == 1  # type: ignore[attr-defined]


def test_a_class_may_have_os_rename_as_an_attribute(tmp_path: Path) -> None:
    class System:
        rename = os.rename

    (tmp_path / "a").write_bytes(b"x")
    System().rename(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").exists()


def test_a_pickle_of_os_replace_is_read_where_nothing_is_recorded() -> None:
    code = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()))"
    found = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(os.replace), capture_output=True
    )
    assert found.stdout.decode().strip() == "<built-in function replace>"


def test_uninstrument_puts_the_very_functions_back(spans: Spans) -> None:
    patched = os.replace, os.rename, shutil.copy, shutil.move, shutil.copyfileobj
    files.uninstrument()
    plain = os.replace, os.rename, shutil.copy, shutil.move, shutil.copyfileobj
    files.instrument()
    assert plain == tuple(function.__wrapped__ for function in patched)  # type: ignore[attr-defined]
    assert all(one is not other for one, other in zip(plain, patched, strict=True))


def test_a_call_that_is_not_recorded_costs_little() -> None:
    from otelprov.recording.run import run

    assert not run.active
    stands_in = StandIn(len, "os")
    rounds = range(400)  # less than what a busy machine gives a process at a time

    def seconds(function: Any) -> float:
        begun = time.perf_counter()
        for _ in rounds:
            function("")
        return (time.perf_counter() - begun) / len(rounds)

    both = [(seconds(stands_in), seconds(len)) for _ in range(300)]
    assert min(one for one, _ in both) - min(other for _, other in both) < 1e-6


PROGRAM = """
    import pandas as pd
    with open("in.csv") as file:
        lines = file.readlines()
    with open("out.csv", "w") as file:
        file.writelines(line.upper() for line in lines)
    del file
    print(list(pd.read_csv("out.csv")))
"""


@pytest.mark.parametrize("asked", ["on", "off"])
def test_files_that_are_opened_are_recorded_where_that_is_asked_for(
    tmp_path: Path, asked: str
) -> None:
    (tmp_path / "in.csv").write_bytes(CSV)
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    result = support.instrumented(
        "program.py",
        journal_directory=tmp_path / "journal",
        cwd=tmp_path,
        env={"OTELPROV_RECORD_OPEN": asked},
    )
    assert result.stdout == "['K', 'V']\n"
    spans = [one for one in support.journal(tmp_path / "journal") if "run " not in one.name]
    names = {
        "in": edges.file_id(CSV),
        "out": edges.file_id(CSV.upper()),
        "table": otelprov.artifact(pd.read_csv(tmp_path / "out.csv")).id,
    }
    unseen = [id_ for one in spans for id_ in one.used_ids if id_.startswith("object:")]
    if unseen:
        (names["unseen"],) = unseen
    graph = """
        in     -> builtins.open ->
        unseen -> builtins.open -> out
        """
    last = "out -> pandas.read_csv -> table"
    assert edges.found(spans, names) == edges.expected(
        last if asked == "off" else f"{graph.rstrip()}\n{last}"
    )


def test_a_package_moves_files_while_what_knows_written_ones_is_being_loaded(
    tmp_path: Path, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_loaded = types.ModuleType("otelprov.recording.written")
    monkeypatch.setitem(sys.modules, "otelprov.recording.written", half_loaded)
    (tmp_path / "a").write_bytes(b"x")
    code = compile("os.replace(source, target)", "/x/site-packages/atomic/write.py", "exec")
    exec(code, {"os": os, "source": tmp_path / "a", "target": tmp_path / "b"})
    assert (tmp_path / "b").read_bytes() == b"x"
    assert not spans.all()


UNCALLED = """
    import _thread, atexit, os, pathlib, shutil, time
    atexit.register(os.replace, "a", "a2")
    atexit.register(shutil.copy, "b", "b2")
    _thread.start_new_thread(os.rename, ("c", "c2"))
    _thread.start_new_thread(shutil.move, ("d", "d2"))
    end = time.monotonic() + 60
    while not (os.path.exists("c2") and os.path.exists("d2")) and time.monotonic() < end:
        time.sleep(0.01)
    raise RuntimeError("that's all")
"""


@pytest.mark.parametrize("asked", ["on", "off"])
def test_files_are_moved_where_no_code_of_pythons_calls_for_it(tmp_path: Path, asked: str) -> None:
    for name in "abcd":
        (tmp_path / name).write_text("x")
    (tmp_path / "program.py").write_text(textwrap.dedent(UNCALLED))
    result = support.instrumented(
        "program.py", cwd=tmp_path, env={"OTELPROV_RECORD_OPEN": asked}, check=False
    )
    assert all((tmp_path / f"{name}2").exists() for name in "abcd")
    said = result.stderr.splitlines()
    assert said[0] == "Traceback (most recent call last):" and len(said) == 4
    assert said[2:] == ['    raise RuntimeError("that\'s all")', "RuntimeError: that's all"]


TIMES = """
    import os
    os.utime("in.csv", (1, 1))
    os.rename("in.csv", "moved.csv")
    with open("out.csv", "w") as file:
        os.utime(file.fileno(), (2, 2))
    del file
    print(os.stat("moved.csv").st_atime, os.stat("out.csv").st_atime)
"""


@pytest.mark.skipif(not hasattr(os, "O_NOATIME"), reason="reading cannot be hidden here")
def test_a_time_of_access_that_the_program_has_set_stays(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(CSV)
    (tmp_path / "program.py").write_text(textwrap.dedent(TIMES))
    result = support.instrumented(
        "program.py",
        journal_directory=tmp_path / "journal",
        cwd=tmp_path,
        env={"OTELPROV_RECORD_OPEN": "on"},
    )
    assert result.stdout == "1.0 2.0\n"
    spans = [one for one in support.journal(tmp_path / "journal") if "run " not in one.name]
    assert [(one.name, len(one.events)) for one in spans] == [
        ("os.rename", 2),
        ("builtins.open", 1),
    ]


def test_pathlib_is_seen_on_every_python() -> None:
    # Python 3.10 looks os.rename up when pathlib is loaded.
    accessor = getattr(pathlib, "_NormalAccessor", None)
    assert accessor is None or accessor.rename is os.rename
