"""JSON, Mermaid and DOT: the contract, and that no name can break the form."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.lineage.recorded import art, digest, file, flights, hex_id

from otelprov.lineage.graph import Edge, Gap, Lineage
from otelprov.lineage.sources import open_source
from otelprov.lineage.walk import upstream
from otelprov.model import Artifact, Check, Code, Operation, Usage
from otelprov.render.diagrams import to_dot, to_mermaid
from otelprov.render.json import SCHEMA, to_dict, to_json

ROOT = Path(__file__).parents[3]


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    journal = flights(tmp_path / "journal")
    journal.run("b.py").op("concat", [file("delays.csv"), art("lost")], [file("all.csv")])
    return upstream(open_source(f"journal:{journal.write()}"), digest("all.csv", "file"))


def test_the_json_form_is_the_contract(lineage: Lineage) -> None:
    content = json.loads(to_json(lineage))
    keys = ["schema", "target", "artifacts", "operations", "edges", "gaps", "checks"]
    assert list(content) == keys
    assert (content["schema"], content["target"]) == (SCHEMA, digest("all.csv", "file"))
    (merge,) = (one for one in content["operations"] if one["name"] == "pandas.merge")
    trace = hex_id("trace ingest.py", 32)
    assert merge == {
        "id": f"{trace}-{hex_id('ingest.py pandas.merge', 16)}",
        "name": "pandas.merge",
        "kind": "transform",
        "status": "ok",
        "start": "2026-02-02T02:40:00.005500Z",
        "end": "2026-02-02T02:40:00.006000Z",
        "run": f"{trace}-{hex_id('run ingest.py', 16)}",
        "service": "flights",
        "code": {
            "revision": "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d",
            "branch": "main",
            "dirty": True,
            "function": "main",
            "file": "/home/somebody/pipeline/ingest.py",
            "line": 14,
        },
        "parameters": {"how": "left", "on": "carrier", "validate": "None"},
    }
    assert content["artifacts"][-1] == {
        "id": digest("all.csv", "file"),
        "kind": "file",
        "name": None,
        "uri": "/data/all.csv",
        "rows": None,
        "columns": None,
        "bytes": 1000,
        "coverage": "full",
        "version": None,
        "schema": None,
    }
    assert {"from": digest("flights", "table"), "to": merge["id"], "relation": "used"} in content[
        "edges"
    ]
    assert [list(gap) for gap in content["gaps"]] == [["artifact", "reason"]]


def test_the_documentation_names_every_key_and_no_other(lineage: Lineage) -> None:
    text = (ROOT / "docs" / "lineage-json.md").read_text()
    # What only some of them have.
    several = replace(lineage.operations[0], calls=2, check=Check(False, 1, ("a: not_null",)))
    content = to_dict(replace(lineage, operations=(several, *lineage.operations[1:])))
    for title, record in (
        ("The whole", content),
        ("Artifacts", content["artifacts"][0]),
        ("Operations", content["operations"][0]),
        ("Code", content["operations"][0]["code"]),
        ("Edges", {**content["edges"][0], "uri": ""}),  # only where it is another place
        ("Gaps", {"artifact": "", "operation": "", "reason": ""}),
    ):
        section = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == list(record), title
    assert f'"schema": "{SCHEMA}"' in text


def test_numbers_that_json_lacks_are_words() -> None:
    parameters = {"a": float("nan"), "b": float("-inf"), "c": 1.0, "d": 2**70, "e": True}
    lineage = one("x", parameters)
    text = to_json(lineage)
    assert json.loads(text, parse_constant=pytest.fail)["operations"][0]["parameters"] == {
        "a": "NaN",
        "b": "-Infinity",
        "c": 1.0,
        "d": 2**70,
        "e": True,
    }


ANY = st.text(st.characters(), max_size=30)


def one(name: str, parameters: dict[str, str | bool | int | float] | None = None) -> Lineage:
    artifact = Artifact(digest("a", "file"), "file", name=name, uri=name)
    operation = Operation(
        trace_id="1" * 32,
        span_id="2" * 16,
        name=name,
        kind="write",
        status="error",
        start=0,
        end=1,
        service=name,
        code=Code(file=name, line=1, revision=name),
        parameters=parameters or {name: name},
        generated=(Usage("return", artifact),),
    )
    return Lineage(
        target=artifact.id,
        direction="upstream",
        artifacts=(artifact,),
        operations=(operation,),
        edges=(Edge(operation.id, artifact.id, "generated"),),
        gaps=(Gap(name, artifact=artifact.id),),
    )


@given(name=ANY)
def test_any_name_survives_json(name: str) -> None:
    text = to_json(one(name))
    content = json.loads(text.encode())
    assert content["operations"][0]["name"] == name
    assert content["artifacts"][0]["uri"] == name
    assert content["gaps"][0]["reason"] == name


DOT = re.compile(
    r"""digraph\ lineage\ \{\n
    (?:\ \ (?:rankdir=LR|node\ \[fontname="sans-serif"\]
      |"(?:[^"\\\n]|\\.)*"\ \[shape=\w+,\ label="(?:[^"\\\n]|\\.)*"(?:,\ \w+=\w+)*\]
      |"(?:[^"\\\n]|\\.)*"\ ->\ "(?:[^"\\\n]|\\.)*"\ \[label="\w+"\]
    );\n)*\}\n""",
    re.VERBOSE,
)


@given(name=ANY)
def test_any_name_survives_dot(name: str) -> None:
    assert DOT.fullmatch(to_dot(one(name)))


MERMAID = re.compile(
    r"""flowchart\ LR\n
    (?:\ \ (?:a\d+\[\("[^"`\\\[\]{}<>]*(?:<br/>[^"`\\\[\]{}<>]*)*"\)\]
      |o\d+\["[^"`\\\[\]{}<>]*(?:<br/>[^"`\\\[\]{}<>]*)*"\]
      |[ao]\d+\ -->\|\w+\|\ [ao]\d+
      |classDef\ \w+\ [\w#:,-]+
      |class\ [ao\d,]+\ \w+
    )\n)*""",
    re.VERBOSE,
)


@given(name=ANY)
def test_any_name_survives_mermaid(name: str) -> None:
    text = to_mermaid(one(name))
    assert MERMAID.fullmatch(text), text
    label = re.search(r'o0\["(.*)"\]', text)
    assert label
    # Every # begins a numeric entity, so that none is taken for another.
    assert re.fullmatch(r"(?:[^#]|#\d+;)*", label[1].replace("<br/>", ""))


def test_diagrams_show_every_node_and_edge(lineage: Lineage) -> None:
    dot, mermaid = to_dot(lineage), to_mermaid(lineage)
    assert DOT.fullmatch(dot)
    assert MERMAID.fullmatch(mermaid)
    assert dot.count(" -> ") == mermaid.count(" -->|") == len(lineage.edges)
    assert dot.count("shape=") == len(lineage.artifacts) + len(lineage.operations)
    assert dot.count("style=dashed") == 1
    assert 'label="pandas.merge\\ningest.py:14 1a2b3c4+"' in dot
    assert '["pandas.merge<br/>ingest.py:14 1a2b3c4+"]' in mermaid
