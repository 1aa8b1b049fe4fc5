"""Makes every call inside otelprov raise in turn, and looks whether a program notices.

A warm process forks a child for each fault, so that hundreds take a minute. A profile function
sees every call that otelprov's code makes and that is made of it, of Python and of C functions
alike; where it raises, the call raises before it begins.

    python tests/do_no_harm/injector.py [--every function|call] [--errors NAME...] [--jobs N]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import pickle
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

PACKAGE = str(HERE.parent.parent / "otelprov") + os.sep
LIMIT = 60
"""Seconds that one child may take: more than that is a lock that nobody opens."""

# What holds faults back cannot be held back by itself; it is short for that reason. So are the
# entries of what stands between the program and a function of its own that it decorated; what they
# call is faulted. `remove` and `__del__` are called by the interpreter when an object is freed.
# What `inspect` asks a signature for: whatever that raises is raised by `inspect`.
ASKED = ("_Signature._parameters", "_Signature._return_annotation", "_Signature._whole",
         "_Signature.replace", "_Signature.__reduce__")  # fmt: skip
MECHANISM = frozenset(
    {
        *ASKED,
        "contained.__init__", "contained.__enter__", "contained.__exit__", "tell",
        "Operation.__init__", "Operation.__call__", "_Call.__init__", "_Call.__enter__",
        "_Call.__exit__", "_Call.recorded", "_Call.yielded", "_Call.returned", "_identified",
        "Registry._remover.<locals>.remove", "Registry.arrive.<locals>.remove",
        "OpenFile.__del__", "_work", "_do",
    }
)  # fmt: skip
BETWEEN = "sqlalchemy.exc.PendingRollbackError"
"""What a program sees of a Ctrl-C in a statement of pandas' `to_sql`, recorded or not: SQLAlchemy
gives the connection up, and pandas commits it before the interrupt arrives."""
# What takes our entries out of a table's metadata: where it fails, the program sees them.
UNCLEANED = ("_cleaned", "_clean", "_others")
# Calls of these are the program's own, or run once when it decorates a function.
OUTSIDE = ("contained.__init__", "contained.__enter__", "contained.__exit__", "operation",
           "Operation.__call__", "OpenFile.__del__", ".<locals>.wrapper", *ASKED)  # fmt: skip


@dataclass(frozen=True, order=True)
class Edge:
    """One call: where it is made, and of what."""

    place: str
    called: str
    own: bool
    """Whether it is of one of otelprov's functions."""

    def __str__(self) -> str:
        return f"{self.place} -> {self.called}"


def edge_of(frame: FrameType, event: str, argument: Any) -> Edge | None:
    """The call that a profile function is told of; None when it is none of otelprov's."""
    if event == "call":
        caller, code = frame.f_back, frame.f_code
        if caller is None:
            return None
        own = code.co_filename.startswith(PACKAGE)
        made_by = caller.f_code.co_filename
        if not made_by.startswith(PACKAGE):
            stands_in = "<otelprov" in made_by or os.sep + "opentelemetry" + os.sep in made_by
            if not own or not (stands_in or made_by.endswith("threading.py")):
                return None
        if code.co_qualname in MECHANISM or "<otelprov" in code.co_filename:
            return None
        if made_by.startswith(PACKAGE) and caller.f_code.co_qualname.endswith(OUTSIDE):
            return None
        if not own and caller.f_code.co_qualname == "_identified":
            return None  # what the program goes through
        return Edge(_place(caller), code.co_qualname if own else _named(code), own)
    if event == "c_call" and frame.f_code.co_filename.startswith(PACKAGE):
        if frame.f_code.co_qualname.endswith(OUTSIDE):
            return None
        if getattr(argument, "__name__", "") in ("__exit__", "release"):
            return None  # a lock that is not let go is not a fault of otelprov's making
        name = getattr(argument, "__qualname__", None) or repr(argument)
        module = getattr(argument, "__module__", None) or ""
        return Edge(_place(frame), f"{module}.{name}", False)
    return None


def _place(frame: FrameType) -> str:
    code = frame.f_code
    name = code.co_filename.removeprefix(PACKAGE)
    if "<otelprov" in name or (os.sep in name and name.startswith(os.sep)):
        name = os.path.basename(name)
    return f"{name}:{frame.f_lineno} {code.co_qualname}"


def _named(code: CodeType) -> str:
    return f"{os.path.basename(code.co_filename)} {code.co_qualname}"


@dataclass
class Seen:
    """What a scene showed."""

    output: str = ""
    files: dict[str, str] = field(default_factory=dict)
    raised: str = ""
    errors: str = ""
    """stderr"""
    calls: list[tuple[Edge, int]] = field(default_factory=list)
    injected: bool = False
    faults: int = 0
    spans: list[str] = field(default_factory=list)
    after: str = ""
    """What is wrong after it: the current operation, or a lock."""
    status: int = 0


class ByHandler:
    """Base of the errors that are raised by a signal handler of the program."""


def meant_for_the_program(error: type[BaseException]) -> bool:
    return issubclass(error, ByHandler) or not issubclass(error, Exception)


def _error(name: str) -> type[BaseException]:
    import builtins

    name, _, handler = name.partition("@")
    found: type[BaseException] = getattr(builtins, name)
    return type(name, (ByHandler, found), {}) if handler else found


class Profile:
    """Counts the calls, or raises at one of them."""

    def __init__(self, target: tuple[Edge, int] | None, error: type[BaseException]) -> None:
        self.counts: dict[Edge, int] = {}
        self.target, self.error = target, error
        self.injected = False
        # Python runs signal handlers in the main thread only.
        self.anywhere = not meant_for_the_program(error)
        self.main = threading.get_ident()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" and event != "c_call":
            return
        if self.target is not None:
            if event == "call":
                name = frame.f_code.co_qualname
            else:
                name = getattr(argument, "__name__", "")
            if self.injected or name not in self.target[0].called:
                return  # most calls, at little cost
            if not self.anywhere and threading.get_ident() != self.main:
                return
        edge = edge_of(frame, event, argument)
        if edge is None:
            return
        number = self.counts[edge] = self.counts.get(edge, 0) + 1
        if not self.injected and (edge, number) == self.target:
            self.injected = True
            if issubclass(self.error, ByHandler):
                signal.raise_signal(signal.SIGUSR1)
            raise self.error("injected")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        raise self.error("injected")

    def start(self) -> None:
        signal.signal(signal.SIGUSR1, self._handle)
        threading.setprofile(self)
        sys.setprofile(self)

    def stop(self) -> None:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]


def play(scene: Callable[[], None], profile: Profile | None, recorded: bool) -> Seen:
    """Run a scene in this process, in an empty directory."""
    seen = Seen()
    output = io.StringIO()
    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(output):
        os.chdir(directory)
        errors = os.open("stderr", os.O_RDWR | os.O_CREAT)
        os.dup2(errors, 2)
        try:
            if profile is not None:
                profile.start()
            scene()
        except BaseException as error:
            seen.raised = "".join(traceback.format_exception(error))
        finally:
            if profile is not None:
                profile.stop()
        if recorded:
            _look_after(seen)
        sys.stderr.flush()
        seen.errors = Path("stderr").read_text()
        os.remove("stderr")
        seen.files = {
            str(path): _content(path) for path in sorted(Path().rglob("*.*")) if path.is_file()
        }
        os.chdir("/")
    seen.output = output.getvalue()
    if profile is not None:
        seen.calls = list(profile.counts.items())
        seen.injected = profile.injected
    return seen


def _content(path: Path) -> str:
    """What is in a file; of Parquet files the table, since they carry the trace as well."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        from otelprov.artifacts import carrier

        try:
            table = pyarrow.parquet.ParquetFile(path).read()
        except pyarrow.ArrowInvalid:  # its writer was interrupted
            return "broken"
        metadata = table.schema.metadata or {}
        others = {key: value for key, value in metadata.items() if key not in carrier.KEYS}
        return hashlib.sha256(repr((table.to_pydict(), others)).encode()).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _look_after(seen: Seen) -> None:
    """Whether recording goes on as if nothing had been."""
    import pandas as pd
    from opentelemetry import trace

    from otelprov.artifacts import deferred
    from otelprov.artifacts.deferred import background
    from otelprov.recording import faults
    from otelprov.recording.recorder import current_operation

    if current_operation() is not None:
        seen.after += f"current operation {current_operation().call.name} "
    if trace.get_current_span().get_span_context() != _root():
        seen.after += f"current span {trace.get_current_span()} "
    if not background.flush(20):
        seen.after += "what is done behind the program is never done "
    if not deferred._state.changed.acquire(timeout=5):
        seen.after += "a lock is held "
    else:
        deferred._state.changed.release()
    seen.faults = faults.count
    before = len(_spans())
    pd.DataFrame({"a": [1]}).nlargest(1, "a")
    found = _spans()
    seen.spans = found[:before]
    if found[before:] != ["pandas.nlargest"]:
        seen.after += f"the next operation recorded {found[before:]} "


def _root() -> Any:
    from otelprov.recording.run import run

    return run._span.get_span_context()


def _spans() -> list[str]:
    from otelprov.recording.run import run

    found = []
    for path in sorted(run.journal.directory.glob(f"*-{os.getpid()}-*.jsonl")):
        for line in path.read_bytes().splitlines():
            for resource in json.loads(line).get("resourceSpans", ()):
                for scope in resource["scopeSpans"]:
                    found += [span["name"] for span in scope["spans"]]
    return found


def in_child(work: Callable[[], Seen]) -> tuple[int, int]:
    """Start ``work`` in a forked child; its process id, and where its answer will come from."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    status = 1
    try:
        os.close(reading)
        signal.alarm(LIMIT)
        seen = work()
        with open(writing, "wb") as file:
            pickle.dump(seen, file)
        status = 0
    except BaseException:
        with contextlib.suppress(OSError), open(writing, "wb") as file:
            pickle.dump(Seen(injected=True, after=traceback.format_exc()), file)
        status = 0
    finally:
        os._exit(status)


def many(work: Iterable[tuple[Any, Callable[[], Seen]]], jobs: int) -> Iterator[tuple[Any, Seen]]:
    """Do all of it in children, several at a time."""
    running: dict[int, tuple[Any, int, bytearray]] = {}
    todo = iter(work)
    while True:
        while len(running) < jobs:
            item = next(todo, None)
            if item is None:
                break
            _, reading = started = in_child(item[1])
            running[reading] = (item[0], started[0], bytearray())
        if not running:
            return
        for reading in select.select(list(running), [], [])[0]:
            data = os.read(reading, 1 << 16)
            key, process, collected = running[reading]
            if data:
                collected += data
                continue
            del running[reading]
            os.close(reading)
            _, status = os.waitpid(process, 0)
            seen = pickle.loads(collected) if collected else Seen()
            seen.status = status
            yield key, seen


# --- judging -------------------------------------------------------------------------------------


def complaints(
    plain: Seen, whole: Seen, seen: Seen, error: type[BaseException], edge: Edge | None = None
) -> list[str]:
    """What a program, or its owner, would notice of a fault; ``whole`` is the run without one."""
    found = []
    if seen.status:
        return [f"ended by {seen.status}: it hangs or dies"]
    if meant_for_the_program(error):
        told = "injected" in seen.raised + seen.output or BETWEEN in seen.raised
        if seen.injected and not told:
            found.append(f"{error.__name__} was swallowed: {seen.errors[-300:]}")
    else:
        if seen.raised != plain.raised:
            found.append(f"raised {seen.raised[-1500:]!r}")
        if seen.output != plain.output and not any(name in str(edge) for name in UNCLEANED):
            found.append(f"printed otherwise: {seen.output[-300:]!r}")
        if seen.files != plain.files:
            names = [
                n for n in {*seen.files, *plain.files} if seen.files.get(n) != plain.files.get(n)
            ]
            found.append(f"wrote otherwise: {names}")
        lines = seen.errors.splitlines()
        if len(lines) > (1 if seen.injected else 0) or not all(
            "otelprov: " in line for line in lines
        ):
            found.append(f"stderr {seen.errors[-1500:]!r}")
        elif seen.faults and not lines:
            found.append("a fault was not told")
        elif seen.injected and not lines and sorted(seen.spans) != sorted(whole.spans):
            lost = Counter(whole.spans) - Counter(seen.spans)
            found.append(f"lost without a word: {sorted(lost.elements())}")
    if seen.after:
        found.append(f"afterwards: {seen.after}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", choices=("function", "called", "call"), default="function")
    parser.add_argument(
        "--errors", nargs="+", default=["RuntimeError"],
        help="TimeoutError@handler: raised by a signal handler of the program",
    )  # fmt: skip
    parser.add_argument("--scenes", nargs="+", default=None)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--places", action="store_true", help="print each place")
    parser.add_argument("--only", default="")
    parser.add_argument("--part", default="0/1", help="0/3: a third, by a hash of what is called")
    options = parser.parse_args()
    for name in list(os.environ):
        if name.startswith(("OTEL", "TRACE")):
            del os.environ[name]
    os.environ.update(
        OTEL_TRACES_EXPORTER="none",
        OTELPROV_JOURNAL=str(options.journal),
        OTELPROV_RAISE_FAULTS="off",
        OTELPROV_CODE_REVISION="0",
    )
    from scenes import SCENES

    errors = [_error(name) for name in options.errors]
    names = options.scenes or list(SCENES)
    plain = dict(
        many(
            ((name, lambda name=name: play(SCENES[name], None, False)) for name in names),
            options.jobs,
        )
    )
    import otelprov

    otelprov.enable()
    from otelprov.artifacts.deferred import background

    limit = background.limit

    def recorded(name: str, target: tuple[Edge, int] | None, error: type[BaseException]) -> Seen:
        background.limit = limit  # a fork ends it
        return play(SCENES[name], Profile(target, error), True)

    whole = dict(
        many(
            ((name, lambda name=name: recorded(name, None, RuntimeError)) for name in names),
            options.jobs,
        )
    )
    bad = 0
    for name in names:
        for text in complaints(plain[name], whole[name], whole[name], RuntimeError):
            bad += 1
            print(f"{name} without a fault: {text}")
    taken: set[Any] = set()
    work = []
    part, parts = map(int, options.part.split("/"))
    for name in names:
        for edge, count in whole[name].calls:
            key = edge if options.every == "call" else edge.called
            if key in taken or options.only not in str(edge):
                continue
            if options.every == "function" and not edge.own:
                continue
            taken.add(key)
            if zlib.crc32(edge.called.encode()) % parts != part:
                continue
            numbers = {1, count} if options.every == "call" else {1}
            for number in sorted(numbers):
                for error in errors:
                    target = (edge, number)
                    work.append(
                        (
                            (name, target, error),
                            lambda name=name, target=target, error=error: recorded(
                                name, target, error
                            ),
                        )
                    )
    begun = time.monotonic()
    injected = 0
    for (name, target, error), seen in many(work, options.jobs):
        injected += seen.injected
        found = complaints(plain[name], whole[name], seen, error, target[0])
        if found or options.places:
            print(f"{name}: {target[0]} #{target[1]} {error.__name__} {seen.injected}")
        for text in found:
            bad += 1
            print(f"    {text}", flush=True)
    places = len({target for (_, target, _), _ in work})
    print(
        f"{injected} of {len(work)} faults at {places} calls, {bad} noticed, "
        f"{time.monotonic() - begun:.0f} s"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
