"""Several machines: clocks that differ, spans that come twice, late or never."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.lineage.fake_jaeger import FakeJaeger
from unit.lineage.fake_jaeger import serving as serving_jaeger
from unit.lineage.fake_tempo import FakeTempo
from unit.lineage.fake_tempo import serving as serving_tempo
from unit.lineage.recorded import Journal, art, digest, file

from otelprov.lineage.graph import Lineage
from otelprov.lineage.sources import Source, open_source
from otelprov.lineage.walk import downstream, upstream

DAY = 86_400_000_000_000


@dataclass
class Work:
    """A pipeline over several machines, and what may happen to its spans on the way."""

    stages: list[list[list[int]]]
    """By machine: its steps, each with the tables (of that machine, the files that it read first)
    that it uses."""
    skews: list[int]
    """By machine: how wrong its clock is, in nanoseconds."""
    seed: int
    """For the order in which lines arrive, and which come twice."""
    lost: set[int] = field(default_factory=set)
    """Operations whose spans never arrive, counted over all machines."""


@st.composite
def works(draw: st.DrawFn) -> Work:
    stages = []
    for _ in range(draw(st.integers(2, 4))):
        steps = []
        for step in range(draw(st.integers(1, 4))):
            steps.append(draw(st.lists(st.integers(0, step), min_size=1, max_size=2, unique=True)))
        stages.append(steps)
    skews = [draw(st.integers(-2 * DAY, 2 * DAY)) for _ in stages]
    return Work(stages, skews, draw(st.integers(0, 2**32)))


def record(work: Work, directory: Path, *, plain: bool) -> tuple[Journal, list[str], str]:
    """The journal of the work, the ids of its operations, and the id of its last file.

    Plain: in order, each span once, by one clock, none lost.
    """
    journal = Journal(directory)
    operations: list[str] = []
    before: tuple[dict[str, Any], str] | None = None
    for number, steps in enumerate(work.stages):
        journal.clock += DAY // 24
        run = journal.run(f"host{number}.py")
        skew = 0 if plain else work.skews[number]

        def op(
            name: str, used: Any, made: Any, skew: int = skew, run: Any = run, **more: Any
        ) -> str:
            journal.clock += 1_000_000
            start = journal.clock + skew
            id_ = run.op(name, used, made, start=start, end=start + 500_000, **more)
            journal.clock += 1_000_000
            operations.append(id_)
            return id_

        source, links = before or (file("raw.csv"), "")
        first = art(f"t{number}.0", "table")
        links_ = [(source["id"], links)] if links else []
        makers = [op(f"read{number}", [source], [first], links=links_)]
        tables = [first]
        for step, uses in enumerate(steps):
            used = [
                {**tables[one], "maker": makers[one]} for one in sorted({*uses, len(tables) - 1})
            ]
            tables.append(art(f"t{number}.{step + 1}"))
            makers.append(op(f"step{number}.{step}", used, [tables[-1]]))
        written = file(f"out{number}.parquet")
        writer = op(f"write{number}", [{**tables[-1], "maker": makers[-1]}], [written])
        before = (written, writer)
    assert before is not None
    if plain:
        journal.write()
        return journal, operations, before[0]["id"]
    lines = [line for several in journal.lines.values() for line in several]
    lost = {operations[one % len(operations)] for one in work.lost}
    kept = [line for line in lines if _id(line) not in lost]
    chance = random.Random(work.seed)
    kept += [line for line in kept if chance.random() < 0.5]  # delivered twice
    chance.shuffle(kept)
    directory.mkdir(parents=True, exist_ok=True)
    for part in range(3):
        text = "".join(json.dumps(line) + "\n" for line in kept[part::3])
        (directory / f"part{part}.jsonl").write_text(text)
    return journal, operations, before[0]["id"]


def _id(line: dict[str, Any]) -> str:
    span = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    return f"{span['traceId']}-{span['spanId']}"


def graph(lineage: Lineage) -> Any:
    """What must not depend on clocks, order and repetition."""
    return (
        [one.id for one in lineage.artifacts],
        [one.id for one in lineage.operations],
        lineage.edges,
        dict(lineage.makers),
        dict(lineage.others),
        [(gap.artifact, gap.operation) for gap in lineage.gaps],
    )


@settings(max_examples=15, deadline=None)
@given(work=works())
def test_clocks_order_and_repetition_do_not_change_the_graph(
    work: Work, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("hosts")
    _, _, target = record(work, base / "plain", plain=True)
    record(work, base / "real", plain=False)
    plain, real = (open_source(f"journal:{base / name}") for name in ("plain", "real"))
    raw = digest("raw.csv", "file")
    for walk, start in ((upstream, target), (downstream, raw)):
        one, other = walk(plain, start), walk(real, start)
        assert graph(one) == graph(other)
        assert one.gaps == ()
        places = {node.id: place for place, node in enumerate(other.operations)}
        made = {edge.target: edge.source for edge in other.edges if edge.relation == "generated"}
        for edge in other.edges:  # a maker stands before its users, whatever the clocks say
            if edge.relation == "used" and edge.source in made:
                assert places[made[edge.source]] < places[edge.target]


@settings(max_examples=15, deadline=None)
@given(work=works(), lost=st.sets(st.integers(0, 30), min_size=1, max_size=3))
def test_what_was_lost_on_the_way_is_named(
    work: Work, lost: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("hosts")
    _, operations, target = record(work, base / "plain", plain=True)
    work.lost = lost
    record(work, base / "real", plain=False)
    missing = {operations[one % len(operations)] for one in lost} - {operations[-1]}
    if operations[-1] in {operations[one % len(operations)] for one in lost}:
        return  # the one that made the target: then nothing is known of the target itself
    whole = upstream(open_source(f"journal:{base / 'plain'}"), target)
    rest = upstream(open_source(f"journal:{base / 'real'}"), target)
    assert {*rest.edges} <= {*whole.edges}
    # Every lost operation whose output is still in the picture is named by its id.
    users = {(id_, made) for (id_, _), made in whole.makers.items() if id_}
    for user, made in users:
        if user in {one.id for one in rest.operations} and made in missing:
            assert any(made in gap.reason for gap in rest.gaps), made


def test_every_source_takes_a_span_that_came_twice_for_one(tmp_path: Path) -> None:
    work = Work([[[0]], [[0]]], [0, DAY], seed=1)
    _, _, target = record(work, tmp_path / "plain", plain=True)
    record(work, tmp_path / "real", plain=False)
    expected = upstream(open_source(f"journal:{tmp_path / 'plain'}"), target)
    jaeger, tempo = FakeJaeger(), FakeTempo()
    jaeger.load(tmp_path / "real")
    tempo.load(tmp_path / "real")
    tempo.move_to(int(time.time()) - 3600)
    with serving_jaeger(jaeger), serving_tempo(tempo):
        found: list[Source] = [open_source(f"jaeger+{jaeger.url}")]
        found.append(open_source(f"tempo+{tempo.url}"))
        for source in found:
            lineage = upstream(source, target)
            assert lineage.edges == expected.edges
            assert lineage.makers == expected.makers


def test_a_run_that_says_more_than_there_is_is_a_gap(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    run = journal.run("a.py")
    run.op("read", [file("x.csv")], [art("t")])
    run.op("write", [art("t")], [file("y.csv")])
    run.end(**{"otelprov.run.operations": 5})
    source = open_source(f"journal:{journal.write()}")
    lineage = upstream(source, digest("y.csv", "file"))
    assert [gap.reason for gap in lineage.gaps] == [
        f"run a.py says that it carried out 5 operations; 2 of them are in {source.name}"
    ]
