"""Other processes that compute ids: ``worker.py``, kept alive for the tests of a session."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import pyarrow as pa

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
PATH = os.pathsep.join([str(ROOT), str(HERE.parent)])
"""Where other processes find otelprov and the zoo, whether or not they are installed."""


class Worker:
    """A process of any Python that has otelprov's libraries; its hashes of text are others."""

    def __init__(self, python: str | Path = sys.executable, seed: str = "77") -> None:
        self._expected: deque[tuple[str, object]] = deque()
        self._wrong: list[str] = []
        self._process = subprocess.Popen(
            [str(python), str(HERE / "worker.py")],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": PATH},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def table(self, table: pa.Table) -> str:
        """The id of a table, which travels as an Arrow stream."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return self._ask(b"a" + sink.getvalue().to_pybytes())

    def pickled(self, value: object) -> str:
        """The id of a value, which travels as a pickle."""
        return self._ask(b"p" + pickle.dumps(value))

    def parameter(self, value: object) -> str:
        """The same of a Python value in its own right: text is text and not a file."""
        return self._ask(b"p" + pickle.dumps(("parameter", value)))

    def expect_pickled(self, value: object, expected: str) -> None:
        """As ``pickled``, but the answer is not waited for: ``settle`` says if it was another."""
        self._expect(b"p" + pickle.dumps(value), expected, value)

    def expect_parameter(self, value: object, expected: str) -> None:
        """The same of ``parameter``."""
        self._expect(b"p" + pickle.dumps(("parameter", value)), expected, value)

    def settle(self) -> None:
        """Wait for every answer that was expected.

        Raises:
            AssertionError: with the values that had another id there.
        """
        while self._expected:
            self._check()
        wrong, self._wrong = self._wrong, []
        assert not wrong, f"{len(wrong)} have another id in another process: " + "; ".join(
            wrong[:5]
        )

    def _expect(self, message: bytes, expected: str, value: object) -> None:
        # So few answers fit into a pipe: the worker never waits, and can always read on.
        while len(self._expected) >= 100:
            self._check()
        self._send(message)
        self._expected.append((expected, value))

    def _check(self) -> None:
        expected, value = self._expected.popleft()
        found = self._answer()
        if found != expected:
            self._wrong.append(f"{value!r}: {found}, not {expected}")

    def _ask(self, message: bytes) -> str:
        while self._expected:
            self._check()
        self._send(message)
        return self._answer()

    def _send(self, message: bytes) -> None:
        pipe: Any = self._process.stdin
        pipe.write(len(message).to_bytes(8, "little") + message)
        pipe.flush()

    def _answer(self) -> str:
        answer: Any = self._process.stdout
        head = answer.read(8)
        assert len(head) == 8, f"the worker ended with exit code {self._process.wait()}"
        return str(answer.read(int.from_bytes(head, "little")), "utf-8")

    def close(self) -> None:
        """End the process, and wait for it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.wait(timeout=60)
