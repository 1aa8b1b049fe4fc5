"""The pages under docs/decisions, and what they claim of the code."""

from __future__ import annotations

import pickle
import re
import subprocess
from pathlib import Path

import pytest
import support
from blake3 import blake3

DECISIONS = support.ROOT / "docs" / "decisions"
PAGES = sorted(DECISIONS.glob("[0-9]*.md"))


def test_the_decisions_are_numbered_without_a_gap_and_listed() -> None:
    assert [page.name[:4] for page in PAGES] == [f"{n + 1:04}" for n in range(len(PAGES))]
    index = (DECISIONS / "README.md").read_text(encoding="utf-8")
    for page in PAGES:
        title = page.read_text(encoding="utf-8").splitlines()[0].partition(". ")[2]
        assert f"| [{page.name[:4]}]({page.name}) | {title} |" in index


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name[:4])
def test_a_decision_has_its_four_parts(page: Path) -> None:
    headings = re.findall(r"^## (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == ["Context", "Decision", "Alternatives", "Consequences"]


def test_every_decision_that_the_code_names_exists() -> None:
    named = set()
    for path in (support.ROOT / "otelprov").rglob("*.py"):
        named.update(re.findall(r"docs/decisions/(\d{4})", path.read_text(encoding="utf-8")))
    assert named <= {page.name[:4] for page in PAGES}
    assert named


def test_the_id_of_a_file_is_its_plain_blake3(tmp_path: Path) -> None:
    import otelprov

    path = tmp_path / "a.bin"
    path.write_bytes(b"some bytes")
    found = otelprov.artifact(path).id
    assert found == f"file:{blake3(b'some bytes').hexdigest()}"
    assert re.fullmatch(r"[a-z]+:[0-9a-f]{64}", found)


def test_each_level_of_the_digest_has_a_context_of_its_own() -> None:
    from otelprov.artifacts import digest

    page = PAGES[0].read_text(encoding="utf-8")
    (levels,) = re.findall(r"Every level \(([^)]*)\)", page)
    assert set(re.split(r",\s+", levels)) == set(digest._DOMAINS)
    assert len({hasher.hexdigest() for hasher in digest._DOMAINS.values()}) == len(digest._DOMAINS)


def _target() -> None: ...


def test_a_proxy_of_wrapt_cannot_be_pickled_and_a_plain_function_can() -> None:
    import wrapt

    proxy = wrapt.FunctionWrapper(_target, lambda wrapped, _, args, kwargs: wrapped(*args))
    with pytest.raises(NotImplementedError, match="object proxy must define __reduce__"):
        pickle.dumps(proxy)
    assert pickle.loads(pickle.dumps(_target)) is _target


def test_wrapt_is_imported_for_import_hooks_only() -> None:
    uses = set()
    for path in (support.ROOT / "otelprov").rglob("*.py"):
        uses.update(re.findall(r"\bwrapt\.(\w+)\(", path.read_text(encoding="utf-8")))
    assert uses == {"register_post_import_hook"}


FOREIGN = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()


class Vendor(trace.TracerProvider):
    inner = TracerProvider()
    inner.add_span_processor(SimpleSpanProcessor(exporter))

    def get_tracer(self, *args, **kwargs):
        return self.inner.get_tracer(*args, **kwargs)


trace.set_tracer_provider(Vendor())
import otelprov

otelprov.enable()
import pandas

pandas.DataFrame({"a": [1]}).drop_duplicates()
with otelprov.operation("declared"):
    pass
print([span.name for span in exporter.get_finished_spans()])
"""


def test_a_provider_that_is_not_the_sdks_is_left_alone(tmp_path: Path) -> None:
    program = tmp_path / "foreign.py"
    program.write_text(FOREIGN)
    journal = tmp_path / "journal"
    result = subprocess.run(
        ["python", program],
        env=support.environment(journal),
        capture_output=True,
        text=True,
        check=False,
    )
    names = "['pandas.drop_duplicates', 'declared']\n"
    assert (result.stdout, result.stderr, result.returncode) == (names, "", 0)
    assert not journal.exists()


def test_otelprov_is_neither_a_distribution_nor_a_configurator() -> None:
    from importlib.metadata import distribution

    groups = {entry.group for entry in distribution("otelprov").entry_points}
    assert "opentelemetry_instrumentor" in groups
    assert not groups & {"opentelemetry_distro", "opentelemetry_configurator"}


def test_everything_but_pipe_and_concat_holds_what_is_nested() -> None:
    from otelprov.instrumentation.pandas import table as _table

    spans = [entry for entry in _table() if entry.kind == "transform"]
    assert {entry.name for entry in spans if not entry.holds_nested} == {
        "pipe",
        "groupby.pipe",
        "window.pipe",
        "resample.pipe",
        "concat",
    }
