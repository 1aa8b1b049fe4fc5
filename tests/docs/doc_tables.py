"""The tables in the documentation that are made from the code.

``python tests/docs/doc_tables.py --write`` brings the pages up to date; without ``--write`` it says
which are not, with exit code 1. A page holds a table between two comments that name it::

    <!-- table: events -->
    <!-- end of table -->
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from otelprov import semconv, settings
from otelprov.instrumentation.libraries import LIBRARIES
from otelprov.recording import edges, ended, observation, parameters, places, policy

ROOT = Path(__file__).parent.parent.parent
FACTS = "otelprov/libraries.json"
PAGES = ("README.md", "docs/conventions.md", "docs/libraries.md", "docs/settings.md")

_PLACES = {"run": "run span", "log": "log record", "line": "log line"}


def events() -> str:
    """The events of the convention."""
    rows = ((f"`{one.name}`", one.brief) for one in semconv.EVENTS.values())
    return _table(("event", "meaning"), rows)


def logs() -> str:
    """The log records of the convention."""
    rows = ((f"`{one.name}`", one.brief) for one in semconv.LOGS.values())
    return _table(("event name", "meaning"), rows)


def log_attributes() -> str:
    """What only a log record about a span says."""
    return _attributes(lambda one: {*one.places} == {"log"})


def line_attributes() -> str:
    """What only a line that the program logs says."""
    return _attributes(lambda one: {*one.places} == {"line"})


def artifact_attributes() -> str:
    """What an event says about its artifact, and what a link says."""
    return _attributes(lambda one: bool({"event", "link"} & {*one.places}))


def operation_attributes() -> str:
    """What the span of an operation says."""
    return _attributes(lambda one: "span" in one.places)


def run_attributes() -> str:
    """What only the span of a run says."""
    return _attributes(lambda one: {*one.places} == {"run"})


def metrics() -> str:
    """The metrics of the convention."""
    return _table(
        ("metric", "instrument", "unit", "attributes", "meaning"),
        (
            (
                f"`{one.name}`",
                one.instrument,
                f"`{one.unit}`",
                ", ".join(f"`{name}`" for name in one.attributes),
                one.brief,
            )
            for one in semconv.METRICS.values()
        ),
    )


def limits() -> str:
    """What is kept of each kind."""
    return _table(
        ("what", "kept", "counted in"),
        (
            ("used artifacts of an operation", f"{ended.MAX_USED}", f"`{semconv.DROPPED_USED}`"),
            (
                "generated artifacts of an operation",
                f"{ended.MAX_GENERATED}",
                f"`{semconv.DROPPED_GENERATED}`",
            ),
            (
                "parameters of an operation",
                f"{parameters.MAX_PARAMETERS}",
                f"`{semconv.DROPPED_PARAMETERS}`",
            ),
            ("links of a span", f"{ended.MAX_LINKS}", ""),
            (
                "characters of a parameter's value",
                f"{settings.Settings(None).parameter_length} (`OTELPROV_PARAMETER_LENGTH`)",
                "the value itself: `… (+N characters)`",
            ),
            (
                "characters of a name, a reason or an error message",
                f"{edges.MAX_TEXT}",
                "the text itself",
            ),
            ("bytes of any text", f"{policy.MAX_VALUE_BYTES:,}", "the text itself: `…`"),
            (
                "values of an array that is shown as a parameter",
                f"{policy.MAX_LISTED}",
                "a longer array is data of its own",
            ),
            ("items of one list that are looked at for data", f"{observation.MAX_ITEMS:,}", ""),
            (
                "files of a directory whose carried ids are read",
                f"{places.MAX_CARRIERS}",
                f"`{semconv.DROPPED_CARRIERS}`",
            ),
            (
                "bytes digested of the files of an operation",
                f"{_default('OTELPROV_DIGEST_LIMIT')} (`OTELPROV_DIGEST_LIMIT`)",
                f"`{semconv.DROPPED_DIGEST_BYTES}`",
            ),
        ),
    )


def _default(name: str) -> str:
    return next(one.default for one in settings.SETTINGS if one.name == name)


def setting_names() -> str:
    """Every setting of otelprov."""
    rows = ((f"`{one.name}`", one.default, one.brief) for one in settings.SETTINGS)
    return _table(("variable", "default", "meaning"), rows)


def library_facts() -> str:
    """What ``otelprov doctor`` says of each library, in JSON."""
    found: dict[str, Any] = {}
    for name, minimum, modules in (
        ("files", (), ()),
        *((one.name, one.minimum, one.modules) for one in LIBRARIES),
    ):
        words, kinds = _of_library(name, modules)
        found[name] = {
            "from": ".".join(map(str, minimum)) or "Python 3.10",
            "words": words,
            "operations": {kind: sorted(kinds[kind]) for kind in KINDS if kind in kinds},
            "oddities": list(
                getattr(import_module(f"otelprov.instrumentation.{name}"), "ODDITIES", ())
            ),
        }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def library_names() -> str:
    """Each library, from which version on, and the operations that are recorded of it."""
    rows = [("`files`", "Python 3.10", _recorded_of("files", ()))]
    for one in LIBRARIES:
        first = ".".join(map(str, one.minimum)) or "Python 3.10"
        rows.append((f"`{one.name}`", first, _recorded_of(one.name, one.modules)))
    return _table(("library", "from", "what is recorded"), rows)


def oddities() -> str:
    """What is odd about each library."""
    rows = []
    for name in ("files", *(one.name for one in LIBRARIES)):
        found = getattr(import_module(f"otelprov.instrumentation.{name}"), "ODDITIES", ())
        rows += [(f"`{name}`", text) for text in found]
    return _table(("library", "what to know"), rows)


def _recorded_of(name: str, modules: tuple[str, ...]) -> str:
    """The spans of a library by their kind; or in words, where its table does not say them."""
    words, kinds = _of_library(name, modules)
    listed = [f"**{kind}**: {', '.join(sorted(kinds[kind]))}" for kind in KINDS if kind in kinds]
    return "<br>".join([*([words] if words else []), *listed])


def _of_library(name: str, modules: tuple[str, ...]) -> tuple[str | None, dict[str, set[str]]]:
    room = import_module(f"otelprov.instrumentation.{name}")
    words: str | None = getattr(room, "RECORDS", None)
    entries: list[Any] = list(getattr(room, "METHODS", {}).values())
    for module in modules:
        if words is None and module != "sklearn.base":  # whose methods are METHODS
            import_module(module)
            entries += room.TABLES[module]()
    kinds: dict[str, set[str]] = {}
    for entry in entries:
        if entry.kind not in ("step", "plan"):
            of_class = "{self.__class__" in entry.name
            kinds.setdefault(entry.kind, set()).add(entry.path if of_class else entry.name)
    return words, kinds


KINDS = ("read", "query", "transform", "train", "predict", "write")

TABLES: dict[str, Callable[[], str]] = {
    "events": events,
    "attributes of artifacts": artifact_attributes,
    "attributes of operations": operation_attributes,
    "attributes of runs": run_attributes,
    "log records": logs,
    "attributes of log records": log_attributes,
    "attributes of log lines": line_attributes,
    "metrics": metrics,
    "limits": limits,
    "settings": setting_names,
    "libraries": library_names,
    "oddities": oddities,
}

_BLOCK = re.compile(r"(<!-- table: ([a-z ]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def filled_in(page: str) -> str:
    """The text of a page with its tables as they have to be.

    Raises:
        KeyError: the page names a table that there is not.
    """
    return _BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", page)


def names(page: str) -> list[str]:
    """The tables that a page holds."""
    return [found[2] for found in _BLOCK.finditer(page)]


def _attributes(wanted: Callable[[semconv.Attribute], bool]) -> str:
    return _table(
        ("attribute", "type", "unit", "on", "meaning"),
        (
            (
                f"`{one.name}`",
                one.type,
                f"`{one.unit}`" if one.unit else "",
                ", ".join(_PLACES.get(place, place) for place in one.places),
                one.brief,
            )
            for one in semconv.ATTRIBUTES.values()
            if wanted(one)
        ),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def main(arguments: list[str]) -> int:
    """Write the pages, or say which differ."""
    if arguments not in ([], ["--write"]):
        print("usage: python tests/docs/doc_tables.py [--write]", file=sys.stderr)
        return 2
    different = []
    for name in (*PAGES, FACTS):
        page = ROOT / name
        before = page.read_text(encoding="utf-8") if page.exists() else ""
        after = library_facts() if name == FACTS else filled_in(before)
        if before != after:
            different.append(name)
            if arguments:
                page.write_text(after, encoding="utf-8")
    print("\n".join(f"{'written' if arguments else 'differs'}: {name}" for name in different))
    return int(bool(different) and not arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
