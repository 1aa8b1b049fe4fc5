"""A plugin of pytest that writes one JSON line for each test: its id and how it ended.

Loaded with ``-p outcomes`` into the runs that ``suites`` compares; the file is named by the
variable OUTCOMES.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, TextIO

import pytest

_file: TextIO
_outcomes: dict[str, str] = {}
_messages: dict[str, str] = {}
_warnings: Counter[str] = Counter()

# Of setup, call and teardown the worst counts.
_ORDER = ("passed", "xpassed", "skipped", "xfailed", "failed", "error")


def pytest_configure(config: pytest.Config) -> None:
    global _file
    # Who was started in the background ignores Ctrl-C, and so do its children: pyarrow's
    # `test_cancellation` then doubles its data for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _file = open(os.environ["OUTCOMES"], "a", buffering=1)  # noqa: SIM115
    _told({"python": sys.version.split()[0], "libraries": _versions()})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    outcome: str = report.outcome
    if hasattr(report, "wasxfail"):
        outcome = "xfailed" if outcome == "skipped" else "xpassed"
    elif outcome == "failed" and report.when != "call":
        outcome = "error"
    before = _outcomes.get(report.nodeid, "passed")
    _outcomes[report.nodeid] = max(before, outcome, key=_ORDER.index)
    if outcome in ("failed", "error"):
        _messages.setdefault(report.nodeid, str(report.longrepr)[-4000:])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    result = yield
    _write(item.nodeid)
    return result


def pytest_warning_recorded(nodeid: str) -> None:
    _warnings[nodeid] += 1


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome != "passed":
        _outcomes[f"{report.nodeid} (collection)"] = report.outcome
        _messages[f"{report.nodeid} (collection)"] = str(report.longrepr)[-4000:]
        _write(f"{report.nodeid} (collection)")


def pytest_sessionfinish(session: pytest.Session) -> None:
    recording = sys.modules.get("otelprov.recording.faults")
    end: dict[str, Any] = {"finished": True, "seconds": time.process_time()}
    if recording is not None:
        from otelprov.artifacts.deferred import background

        background.flush()
        end["faults"] = recording.count
    _told(end)
    _file.close()


def _write(node: str) -> None:
    # Warnings of a test are reported right after it; those of pytest's own have other places.
    _told(
        {
            "id": node,
            "outcome": _outcomes.pop(node, "missing"),
            "warnings": _warnings.get(node, 0),
            **({"message": _messages.pop(node)} if node in _messages else {}),
        }
    )


def _told(record: dict[str, Any]) -> None:
    _file.write(json.dumps(record) + "\n")


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("numpy", "pandas", "pyarrow", "scikit-learn")}
