"""How much memory a process may use: what the machine has, and what its control groups leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from otelprov import memory_limit, settings

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20
UNLIMITED = 9223372036854771712
"""What version 1 says of a group without a limit."""


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        (None, {}, MACHINE),
        ("", {}, MACHINE),
        ("0::/\n", {"memory.max": "536870912\n"}, 512 * MIB),
        ("0::/\n", {"memory.max": "max\n"}, MACHINE),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "268435456\n"}, 256 * MIB),
        ("0::/gone\n", {}, MACHINE),
        ("4:memory:/a\n", {"memory/a/memory.limit_in_bytes": "67108864\n"}, 64 * MIB),
        ("4:memory:/outside\n", {"memory/memory.limit_in_bytes": "67108864\n"}, 64 * MIB),
        ("4:memory:/\n0::/\n", {"memory/memory.limit_in_bytes": f"{UNLIMITED}\n"}, MACHINE),
        ("3:cpu,memory:/a\n", {"memory/a/memory.limit_in_bytes": "67108864\n"}, 64 * MIB),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "-1\n"}, MACHINE),
    ],
)
def test_the_least_of_what_the_machine_and_the_groups_allow(
    own: str | None,
    files: dict[str, str],
    limit: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_limit, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory_limit, "OWN", tmp_path / "own")
    if own is not None:
        (tmp_path / "own").write_text(own)
    for name, text in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert memory_limit.memory_limit() == limit


@pytest.mark.parametrize(
    ("memory", "queue"),
    [(1 << 30, 128 * MIB), (24 << 30, 3 << 30), (256 << 30, 4 << 30), (None, 1 << 30)],
)
def test_what_waits_to_be_digested_is_a_share_of_it(
    memory: int | None, queue: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "memory_limit", lambda: memory)
    assert settings.load({}).digest_queue == queue
    assert settings.load({"OTELPROV_DIGEST_QUEUE": "2GiB"}).digest_queue == 2 << 30
    assert settings.load({"OTELPROV_DIGEST_QUEUE": "off"}).digest_queue is None
