"""What is delivered is remembered, by everyone, for as long as it matters."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import support
from receiver import Receiver, Request, Say, receiving, record

from otelprov.journal import delivery as state
from otelprov.journal.cursors import Cursor, Progress
from otelprov.journal.delivery import Delivery, KnownDeliveries
from otelprov.journal.writer import JournalWriter
from otelprov.shipping.endpoint import endpoint
from otelprov.shipping.shipper import Shipper, waiting


def ship(journal: Path, receiver: Receiver) -> Shipper:
    one = Shipper(journal, endpoint("traces", {}, base=receiver.url), limit=1 << 14)
    for segment in one.segments():
        if one.deliver(segment) == "stopped":
            break
    return one


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_a_segment_that_is_gone_is_still_counted(journal: Path) -> None:
    for _ in range(3):
        record(journal, 10)
    with receiving() as receiver:
        ship(journal, receiver)
        for segment in journal.glob("*.jsonl"):
            segment.unlink()
        record(journal, 5)
        one = ship(journal, receiver)
        assert sum(receiver.taken.values()) == 35
    assert one.delivery.counts().lines == 35


def test_the_state_does_not_grow_with_segments_that_are_gone(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_FORGOTTEN", 5)
    with receiving() as receiver:
        sizes = []
        for _ in range(30):
            record(journal, 2)
            one = ship(journal, receiver)
            for segment in journal.glob("*.jsonl"):
                segment.unlink()
            one.segments()
            sizes.append((one.delivery.directory / "delivered").stat().st_size)
        assert max(sizes) < 10 * sizes[0]
        assert one.delivery.counts().lines == 60
        assert Delivery(journal, "traces", one.endpoint.address).counts().lines == 60
        assert list((one.delivery.directory / "cursors").iterdir()) == []


@pytest.mark.parametrize("finished", [True, False])
def test_another_segment_of_the_same_name_is_sent_too(journal: Path, finished: bool) -> None:
    first = record(journal, 100)
    (segment,) = journal.glob("*.jsonl")
    answers = [] if finished else [Say(), Say(503)]
    with receiving(*answers) as receiver:
        ship(journal, receiver)
        sent = sum(receiver.taken.values())
        assert sent == 100 if finished else 0 < sent < 100
        segment.unlink()
        second = record(journal, 100, name="other")
        (other,) = journal.glob("*.jsonl")
        # Of the same size, and in the same place on the disk.
        other.rename(segment)
        one = ship(journal, receiver)
        assert {id_: receiver.taken[id_] for id_ in second} == dict.fromkeys(second, 1)
    assert set(first) & set(receiver.taken)
    assert one.delivery.counts().lines == sent + 100


def test_a_copy_of_a_delivered_segment_is_not_sent_again(journal: Path, tmp_path: Path) -> None:
    record(journal, 10)
    (segment,) = journal.glob("*.jsonl")
    with receiving() as receiver:
        ship(journal, receiver)
        shutil.copy(segment, tmp_path / "copy")  # as from a backup: another inode, another time
        segment.unlink()
        shutil.copy(tmp_path / "copy", segment)
        ship(journal, receiver)
        assert max(receiver.taken.values()) == 1


def test_each_destination_gets_everything(journal: Path) -> None:
    ids = record(journal, 10)
    with receiving() as one, receiving() as other:
        ship(journal, one)
        ship(journal, other)
        assert one.taken == other.taken == dict.fromkeys(ids, 1)
    assert len(state.destinations(journal)) == 2


def test_what_is_delivered_everywhere_may_be_deleted_first(journal: Path) -> None:
    record(journal, 10)
    (segment,) = journal.glob("*.jsonl")
    size = segment.stat().st_size
    assert KnownDeliveries(journal)(segment.name, size) is None, "nothing delivers"
    with receiving() as one, receiving(Say(503)) as other:
        ship(journal, one)
        assert KnownDeliveries(journal)(segment.name, size) is True
        ship(journal, other)
        assert KnownDeliveries(journal)(segment.name, size) is False
        ship(journal, other)
        assert KnownDeliveries(journal)(segment.name, size) is True
        assert KnownDeliveries(journal)(segment.name, size + 1) is False


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_slot_that_a_crash_left_half_written_is_not_believed(tmp_path: Path, damage: str) -> None:
    cursor = Cursor.claim(tmp_path / "cursor")
    assert cursor is not None
    for offset in (100, 200):
        cursor.advance(Progress(offset=offset))
    cursor.release()
    data = bytearray((tmp_path / "cursor").read_bytes())
    data[40] ^= 1
    left = {"flipped": data, "cut": data[:30], "empty": b""}[damage]
    (tmp_path / "cursor").write_bytes(left)
    again = Cursor.claim(tmp_path / "cursor")
    assert again is not None
    assert again.progress.offset == (100 if damage == "flipped" else 0)
    again.release()


def test_a_list_with_a_torn_line_goes_on_after_it(journal: Path) -> None:
    record(journal, 5)
    with receiving() as receiver:
        one = ship(journal, receiver)
        with (one.delivery.directory / "delivered").open("ab") as file:
            file.write(b'{"segment":"2026')
        record(journal, 7)
        ship(journal, receiver)
        ship(journal, receiver)
        assert sum(receiver.taken.values()) == 12
        assert Delivery(journal, "traces", one.endpoint.address).counts().lines == 12


def test_the_state_is_its_owners(journal: Path) -> None:
    record(journal, 5)
    with receiving(Say(503)) as receiver:
        ship(journal, receiver)
    for path in (journal / "delivery").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_an_open_segment_is_sent_as_far_as_it_goes_and_on_from_there(journal: Path) -> None:
    lines = []
    record(journal, 9)
    (segment,) = journal.glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.unlink()
    writer = JournalWriter(journal)
    with receiving() as receiver:
        one = Shipper(journal, endpoint("traces", {}, base=receiver.url))
        for number, line in enumerate(lines):
            writer.append(line)
            (segment,) = journal.glob("*.jsonl")
            assert one.deliver(segment, hold=True) == "open"
            assert sum(receiver.taken.values()) == number + 1
        writer.close()
        assert one.deliver(segment, hold=True) == "done"
        assert max(receiver.taken.values()) == 1
        assert one.segments() == []


# --- several at once ------------------------------------------------------------------------------

SHIP = """
import sys
from pathlib import Path
from otelprov.shipping.endpoint import endpoint
from otelprov.shipping.shipper import Shipper
one = Shipper(Path(sys.argv[1]), endpoint("traces", {}, base=sys.argv[2]), limit=1 << 14)
for _ in range(3):
    for segment in one.segments():
        one.deliver(segment)
"""


def start(journal: Path, receiver: Receiver) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SHIP, str(journal), receiver.url])


def test_several_shippers_at_once_send_everything_once(journal: Path) -> None:
    ids = [id_ for _ in range(12) for id_ in record(journal, 120)]
    with receiving() as receiver:
        several = [start(journal, receiver) for _ in range(4)]
        assert [one.wait(60) for one in several] == [0] * 4
        ship(journal, receiver)
        assert receiver.taken == dict.fromkeys(ids, 1)


def test_a_shipper_that_is_killed_repeats_one_batch_at_the_most(journal: Path) -> None:
    ids = [id_ for _ in range(6) for id_ in record(journal, 250)]
    chance = random.Random(5)
    batches: list[list[str]] = []
    lock = threading.Lock()

    def rule(request: Request) -> Say:
        with lock:
            batches.append(request.spans())
        return Say()

    kills = 0
    with receiving(rule=rule) as receiver:
        while waiting(journal, endpoint("traces", {}, base=receiver.url)).lines:
            one = start(journal, receiver)
            before = len(batches)
            deadline = time.monotonic() + 30
            # It is killed in the middle of its work: after some of its requests.
            wanted = before + chance.randint(1, 6)
            while len(batches) < wanted and one.poll() is None and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(chance.random() * 0.01)
            if one.poll() is None:
                os.kill(one.pid, signal.SIGKILL)
                kills += 1
            one.wait(10)
            assert kills < 200
        largest = max(len(batch) for batch in batches)
        assert set(receiver.taken) == set(ids), "nothing is lost"
        repeated = sum(receiver.taken.values()) - len(ids)
        assert repeated <= kills * largest
        assert max(receiver.taken.values()) <= 1 + kills
    assert kills >= 5


# --- the command ----------------------------------------------------------------------------------


def command(journal: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["otelprov", "ship", *words],
        env=support.environment(journal, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_ship_says_what_it_delivered(journal: Path) -> None:
    record(journal, 12)
    with receiving() as receiver:
        done = command(journal, "--to", receiver.url)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            f"traces  {receiver.url}/v1/traces: 12 spans delivered",
            f"logs    {receiver.url}/v1/logs: 0 log records delivered",
        ]
        again = command(journal, "--signal", "traces", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
        assert again.stdout == f"traces  {receiver.url}/v1/traces: 0 spans delivered\n"


def test_ship_waits_for_a_receiver_that_is_busy(journal: Path) -> None:
    ids = record(journal, 3)
    with receiving(Say(503), Say(429, headers={"Retry-After": "1"})) as receiver:
        done = command(journal, "--to", receiver.url, "--signal", "traces")
        assert done.returncode == 0, done.stderr
        assert receiver.taken == dict.fromkeys(ids, 1)


def test_ship_says_what_is_left_and_why(journal: Path) -> None:
    record(journal, 3)
    done = command(journal, "--to", "http://127.0.0.1:9", "--signal", "traces", "--wait", "0")
    assert done.returncode == 2
    assert "0 spans delivered, 3 left" in done.stdout
    assert "http://127.0.0.1:9/v1/traces cannot be reached (Connection refused)" in done.stderr
    with receiving(rule=lambda request: Say(401)) as receiver:
        done = command(journal, "--to", receiver.url, "--signal", "traces")
        assert done.returncode == 2
        assert "OTEL_EXPORTER_OTLP_HEADERS" in done.stderr


def test_ship_says_what_was_refused(journal: Path) -> None:
    record(journal, 5)

    def rule(request: Request) -> Say:
        return Say(400, b'{"message":"bad name"}') if "span 3" in request.names() else Say()

    with receiving(rule=rule) as receiver:
        done = command(journal, "--to", receiver.url, "--signal", "traces")
    assert done.returncode == 1
    assert "4 spans delivered, 1 refused for good" in done.stdout
    assert "bad name" in done.stdout


def test_a_signal_that_is_refused_does_not_hold_the_other_up(journal: Path) -> None:
    record(journal, 5)
    log = b'{"resourceLogs":[{"resource":{},"scopeLogs":[{"logRecords":[{}]}]}]}\n'
    (segment,) = journal.glob("*.jsonl")
    segment.write_bytes(log + segment.read_bytes() + log)
    with receiving(rule=lambda r: Say(404 if r.path == "/v1/logs" else 200)) as receiver:
        done = command(journal, "--to", receiver.url)
        assert sum(receiver.taken.values()) == 5
    assert done.returncode == 2
    assert "2 left" in done.stdout
    assert "otelprov ship --signal traces" in done.stderr


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (["--to", "collector:4317"], {}, "is not an address of OTLP over HTTP"),
        ([], {"OTELPROV_JOURNAL": "off"}, "the journal is off"),
        (["--signal", "metrics"], {}, "'metrics' is not one of"),
    ],
)
def test_wrong_usage_has_a_message(
    journal: Path, words: list[str], variables: dict[str, str], message: str
) -> None:
    done = command(journal, *words, **variables)
    assert done.returncode == 2
    assert message in done.stderr


def test_watch_delivers_what_comes_until_it_is_interrupted(journal: Path) -> None:
    with receiving(Say(503)) as receiver:
        watching = subprocess.Popen(
            ["otelprov", "ship", "--watch", "--signal", "traces", "--to", receiver.url],
            env=support.environment(journal),
            stdout=subprocess.PIPE,
            text=True,
        )
        ids = record(journal, 3)
        deadline = time.monotonic() + 30
        while len(receiver.taken) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        ids += record(journal, 4, name="later")
        # Until it is also written down: what is taken and not yet counted is not what is said here.
        address = endpoint("traces", {}, base=receiver.url)
        while waiting(journal, address).lines and time.monotonic() < deadline:
            time.sleep(0.05)
        watching.send_signal(signal.SIGINT)
        output, _ = watching.communicate(timeout=20)
        assert receiver.taken == dict.fromkeys(ids, 1)
    assert "7 spans delivered" in output
    assert watching.returncode == 0
