"""A lineage as a tree in the terminal: from the target back to the raw data, or on from it."""

# ruff: noqa: RUF001 - the sign is the right one

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote

from otelprov.lineage.graph import Edge, Gap, Lineage, elsewhere, left_out
from otelprov.model import Artifact, Operation
from otelprov.render import words
from otelprov.render.folds import fold, summary
from otelprov.render.layout import Layout, Row, layout

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_ASCII = str.maketrans(
    {"◆": "*", "●": "o", "▶": ">", "┄": "~", "├": "|", "╰": "`", "│": "|", "─": "-", "×": "x",
     "→": ">", "…": "~", "↑": "^", "↓": "v", "⚠": "!", "µ": "u", "·": "-", "✗": "X",
     "✓": "+"}
)  # fmt: skip
_OTHERS = 5  # pieces of data that are named because other operations made them, too
_ALIKE = 8  # gaps with one reason that are named
_SHORTEST = 8  # characters of a parameter's value, before whole parameters are left out


def print_tree(lineage: Lineage, console: Console) -> None:
    """Print a lineage within the console's width."""
    print_lines(_Tree(lineage, console).lines(), console, _ASCII)


def print_lines(lines: Iterable[Text], console: Console, ascii_only: Mapping[int, str]) -> None:
    """Print lines as they are; ``ascii_only`` has the other signs for a console of ASCII."""
    for line in lines:
        if console.options.ascii_only:
            line.plain = line.plain.translate(ascii_only)
        console.print(line, no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)


class _Tree:
    def __init__(self, lineage: Lineage, console: Console) -> None:
        self.lineage = lineage
        self.console = console
        self.width = console.width
        self.layout: Layout = layout(lineage)
        self.artifacts = {one.id: one for one in lineage.artifacts}
        self.operations = {one.id: one for one in lineage.operations}
        self.elsewhere: dict[str, list[tuple[Edge, Artifact]]] = {}
        """What was seen at another place than the artifact's own."""
        for edge, seen in elsewhere(lineage).items():
            self.elsewhere.setdefault(seen.id, []).append((edge, seen))
        self.gaps = {gap.place for gap in lineage.gaps}
        self.rows = fold(self.layout.rows, self.operations, self._stands_out)

    def lines(self) -> list[Text]:
        lines = [self._line(row) for row in self.rows]
        return [*lines, *self._notes(), *self._gaps()]

    def _stands_out(self, id_: str) -> bool:
        """Whether an operation must be recognisable, because something is said of it elsewhere."""
        results = self.layout.results.get(id_, ())
        told = any(one.referenced or one.artifact in self.gaps for one in results)
        return told or id_ in self.layout.referenced

    def _line(self, row: Row) -> Text:
        from rich.text import Text

        line = Text(row.gutter, style="bright_black")
        if row.kind == "artifact":
            line.append_text(self._artifact(self._there(row), self.width - len(row.gutter)))
        elif row.kind == "operation":
            line.append_text(self._operation(self._shown(row), self.width - len(row.gutter)))
        elif row.kind == "run":
            line.append_text(self._run(row.id))
        elif row.kind in ("above", "below"):
            arrow = "↑" if row.kind == "above" else "↓"
            line.append(f"{arrow} {self._named(row.id)}, see {row.kind}", style="bright_black")
        elif row.kind == "joint":
            upstream = self.lineage.direction == "upstream"
            name = f" {self._named(row.id)}" if row.id else ""
            shared = "used by several" if upstream else "made from several"
            line.append(f"┄ {shared}:{name}", style="bright_black")
        line.truncate(self.width, overflow="ellipsis")
        return line

    def _there(self, row: Row) -> Artifact:
        """The artifact of a row, in the place where its maker left it, or its user found it."""
        artifact, makers = self.artifacts[row.id], self.lineage.makers
        for edge, seen in self.elsewhere.get(row.id, ()):
            if edge.relation == "generated":
                fits = edge.source == row.maker
            else:
                fits = not row.maker and (edge.target, row.id) not in makers
            if fits:
                return replace(artifact, name=seen.name, uri=seen.uri)
        return artifact

    def _artifact(self, artifact: Artifact, width: int) -> Text:
        from rich.cells import cell_len
        from rich.text import Text

        name, id_ = words.label(artifact), words.short_id(artifact.id)
        parts = [
            "" if artifact.id.startswith(f"{artifact.kind}:") else artifact.kind,
            "" if name == id_ else id_,
            words.shape(artifact),
            "" if artifact.bytes is None else words.size(artifact.bytes),
        ]
        details = "".join(f"  {part}" for part in parts if part)
        room = width - cell_len(details) - 2 - (2 if artifact.id in self.gaps else 0)
        text = Text("◆ ", style="cyan")
        text.append(_shorten(name, max(room, _SHORTEST)), style="bold cyan")
        text.append(details)
        return self._marked(text, artifact.id)

    def _shown(self, row: Row) -> Operation:
        """The operation of a row; of several the last, since its result is what went on."""
        if not row.folded:
            return self.operations[row.id]
        several = [self.operations[id_] for id_ in row.folded]
        upstream = self.lineage.direction == "upstream"
        return summary(several, several[0] if upstream else several[-1])

    def _operation(self, operation: Operation, width: int) -> Text:
        from rich.cells import cell_len
        from rich.text import Text

        failed = operation.status == "error" or (
            operation.check is not None and not operation.check.passed
        )
        unknown = operation.status == "unknown"
        text = Text("● ", style="red" if failed else "yellow" if unknown else "green")
        text.append(words.clean(operation.name), style="bold red" if failed else "bold")
        if operation.calls > 1:
            text.append(f"  {operation.calls:,} times", style="yellow")
        result = self._result(operation)
        code = " ".join(filter(None, (words.location(operation), words.revision(operation))))
        # What is left for the parameters, after two spaces between the parts.
        room = width - cell_len(text.plain) - 2
        for part in (result, code):
            room -= cell_len(part) + 2 if part else 0
        room -= 2 if operation.id in self.gaps else 0
        text.append(parameters(operation, room))
        if result:
            text.append(f"  {result}", style="red" if failed else "blue")
        self._marked(text, operation.id)
        if code:
            gap = max(2, width - cell_len(text.plain) - cell_len(code))
            text.append(" " * gap + code, style="bright_black")
        return text

    def _result(self, operation: Operation) -> str:
        if operation.check is not None:
            sign = "✓" if operation.check.passed else "✗"
            return f"{sign} {_shorten(words.outcome(operation.check), max(20, self.width // 3))}"
        if operation.status == "error":
            error = words.clean(operation.error or "failed")
            return f"✗ {_shorten(error, max(20, self.width // 3))}"
        if operation.status == "unknown":
            return "began, end not recorded"
        results = []
        for told in self.layout.results.get(operation.id, ()):
            id_ = told.artifact
            artifact = self.artifacts[id_]
            parts = [words.shape(artifact)]
            if artifact.name or artifact.kind not in words.IN_MEMORY:
                parts.insert(0, words.label(artifact))
            if told.referenced or not any(parts):
                parts.append(words.short_id(id_))
            mark = " ⚠" if id_ in self.gaps else ""
            results.append(" ".join(filter(None, parts)) + mark)
        return f"→ {', '.join(results)}" if results else ""

    def _run(self, run_id: str) -> Text:
        from rich.text import Text

        run = self.lineage.runs.get(run_id)
        text = Text("▶ ", style="magenta")
        text.append(words.run_name(run, run_id), style="bold magenta")
        parts = []
        if run is not None:
            parts.append(f"{words.moment(run.start)} UTC")
            if run.status == "error":
                parts.append(f"✗ {words.clean(run.error or 'failed')}")
            elif run.status != "ok":
                parts.append(words.RUN_STATES[run.status])
        service = next(one.service for one in self.lineage.operations if one.run == run_id)
        parts.append(f"service {words.clean(service)}")
        text.append("  " + " · ".join(parts), style="magenta")
        return text

    def _marked(self, text: Text, id_: str) -> Text:
        if id_ in self.gaps:
            text.append(" ⚠", style="yellow")
        return text

    def _named(self, id_: str) -> str:
        """A node in one phrase, for references, notes and gaps."""
        operation = self.operations.get(id_)
        if operation is not None:
            name, where = words.clean(operation.name), words.location(operation)
            return f"{name} ({where})" if where else name
        artifact = self.artifacts.get(id_)
        if artifact is None:
            return words.clean(id_)
        name = words.label(artifact)
        short = words.short_id(id_)
        kind = "" if id_.startswith(f"{artifact.kind}:") else f"{artifact.kind} "
        known = f"{kind}{short}" if name == short else f"{name} ({kind}{short})"
        return " ".join(filter(None, (known, words.shape(artifact))))

    def _notes(self) -> list[Text]:
        notes = []
        others = self.lineage.others
        for id_, number in islice(others.items(), _OTHERS):
            by = "another operation" if number == 1 else f"{number} other operations"
            notes.append(f"{self._named(id_)} was also made by {by}")
        if len(others) > _OTHERS:  # as where a program has run before
            notes.append(f"and so were {len(others) - _OTHERS} more of what stands above")
        notes += [
            f"{self._named(made.id)} has another schema than {self._named(used.id)}"
            for used, made in self._new_schemas()
        ]
        for id_, several in self.lineage.checks.items():
            for one in several:
                said = words.outcome(one.check) if one.check is not None else "not carried out"
                where = words.location(one)
                by = f"{words.clean(one.name)} ({where})" if where else words.clean(one.name)
                notes.append(f"{self._named(id_)} was checked by {by}: {said}")
        return self._list("", notes, "bright_black") if notes else []

    def _new_schemas(self) -> list[tuple[Artifact, Artifact]]:
        """The versions of a table that were made of another, and have another schema."""
        found = []
        for operation in self.lineage.operations:
            ids = [
                [one.artifact.id for one in side] for side in (operation.used, operation.generated)
            ]
            used, made = (
                [self.artifacts[id_] for id_ in side if id_ in self.artifacts] for side in ids
            )
            found += [
                (one, other)
                for one in used
                for other in made
                if one.version
                and one.uri == other.uri
                and one.schema_id
                and other.schema_id
                and one.schema_id != other.schema_id
            ]
        return found

    def _gaps(self) -> list[Text]:
        gaps = self._gaps_of_rows()
        title = f"⚠ {len(gaps)} gap{'' if len(gaps) == 1 else 's'}:"
        by_reason: dict[str, list[str]] = {}
        for gap in gaps:
            by_reason.setdefault(words.clean(gap.reason), []).append(self._named(gap.place))
        told = []
        for reason, names in by_reason.items():
            more = f" and {len(names) - _ALIKE} more" if len(names) > _ALIKE else ""
            told.append(f"{', '.join(names[:_ALIKE])}{more}: {reason}")
        return self._list(title, told, "yellow") if gaps else []

    def _gaps_of_rows(self) -> list[Gap]:
        """The gaps, with what limits left out of operations that share a row added up."""
        first = {id_: row.folded[0] for row in self.rows for id_ in row.folded}
        found: list[Gap] = []
        places: dict[str, int] = {}
        numbers: dict[str, int] = {}
        for gap in self.lineage.gaps:
            operation = self.operations.get(gap.operation or "")
            row = first.get(operation.id) if operation else None
            if operation is None or row is None or gap.reason != left_out(operation.dropped):
                found.append(gap)
                continue
            if row not in places:
                places[row] = len(found)
                found.append(gap)
            numbers[row] = numbers.get(row, 0) + operation.dropped
        for row, place in places.items():
            found[place] = Gap(left_out(numbers[row]), operation=row)
        return found

    def _list(self, title: str, items: list[str], style: str) -> list[Text]:
        from rich.text import Text

        lines = [Text(""), *([Text(title, style=style)] if title else [])]
        for item in items:
            mark = "  · "
            for part in Text(item).wrap(self.console, self.width - len(mark), tab_size=1):
                part.rstrip()
                lines.append(Text(mark, style=style).append(part.plain))
                mark = "    "
        return lines


def parameters(operation: Operation, room: int) -> str:
    """The parameters that were given, shortened to fit; two spaces before them."""
    from rich.cells import cell_len

    uris = [usage.artifact.uri for usage in (*operation.used, *operation.generated)]
    places = [unquote(uri) for uri in uris if uri]
    given = [
        (words.clean(name), words.value(operation.parameters[name]))
        for name in operation.given
        if name in operation.parameters and not _is_place(str(operation.parameters[name]), places)
    ]
    for number in range(len(given), 0, -1):
        more = f" +{len(given) - number}" if number < len(given) else ""
        longest = max(cell_len(value) for _, value in given[:number])
        for length in (*range(longest, _SHORTEST, -1), _SHORTEST):
            shown = (f"{name}={_shorten(value, length)}" for name, value in given[:number])
            text = f"{' '.join(shown)}{more}"
            if cell_len(text) <= room:
                return f"  {text}"
    return f"  +{len(given)}" if given and room >= 4 else ""


def _is_place(value: str, places: Iterable[str]) -> bool:
    """Whether a value is the path of a file that the operation read or wrote: that has a row."""
    return len(value) > 1 and any(f"/{one}".endswith(f"/{value.lstrip('/')}") for one in places)


def _shorten(text: str, length: int) -> str:
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= length:
        return text
    # A path says most at its end.
    if "/" in text and " " not in text:
        tail = text
        while cell_len(tail) > length - 1:
            tail = tail[1:]
        return f"…{tail}"
    return set_cell_size(text, length - 1).rstrip() + "…"
