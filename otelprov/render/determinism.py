"""The report of ``otelprov check determinism``: for people, and as JSON (docs/check-json.md)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from otelprov.lineage.determinism import Content, Finding, Making, Report
from otelprov.model import Operation
from otelprov.render import words
from otelprov.render.json import operation_dict
from otelprov.render.tree import parameters

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SCHEMA: Final = "otelprov.check.determinism/1"
_LISTED = 10

Left = Mapping[str, str]
"""Of a content id, the path of a file that still has this content."""


# --- for people ----------------------------------------------------------------------------------


def print_report(report: Report, left: Left, console: Console) -> None:
    """The steps that are not deterministic, what follows from each, and what was looked at."""
    from rich.text import Text

    roots = [one for one in report.findings if one.root]
    for finding in roots:
        _print_finding(report, finding, left, console)
        console.print()
    for line in summary(report):
        console.print(Text(line))


def _print_finding(report: Report, finding: Finding, left: Left, console: Console) -> None:
    from rich.text import Text

    console.print(_finding_step(finding, console.width))
    where = "where it was made" if finding.stage == "made" else "where it was written"
    console.print(
        Text(f"  {finding.several:,} contents of {words.short_id(finding.id)}, seen {where}:")
    )
    for content in finding.contents:
        for number, making in enumerate(content.first):
            console.print(_making(content if number == 0 else None, making))
        if content.times > len(content.first):
            console.print(Text(f"    … {content.times - len(content.first):,} times more"))
    if finding.several > len(finding.contents):
        console.print(Text(f"    … {finding.several - len(finding.contents):,} contents more"))
    if finding.proven:
        console.print(Text("  all that it used had the same contents each time: it is this step"))
    elif finding.unseen:
        console.print(
            Text("  it may begin earlier, where contents are not known (OTELPROV_TIER=full):")
        )
        for operation in finding.before:
            console.print(Text("    ").append(_step(operation, console.width - 4, "yellow")))
        if finding.unseen > len(finding.before):
            console.print(Text(f"    … {finding.unseen - len(finding.before):,} more"))
    after = report.after(finding)
    if after:
        steps = "1 step" if len(after) == 1 else f"{len(after):,} steps"
        console.print(Text(f"  {steps} after it differed in consequence:", style="bright_black"))
        for one in after[:_LISTED]:
            console.print(Text("    ").append(_finding_step(one, console.width - 4)))
        if len(after) > _LISTED:
            console.print(Text(f"    … {len(after) - _LISTED:,} more", style="bright_black"))
    files = next(filter(None, (_files(one, left) for one in (finding, *after))), "")
    if files:
        console.print(Text(f"  compare: otelprov id {files} --explain"), soft_wrap=True)


def _files(finding: Finding, left: Left) -> str:
    """Two files that hold two of its contents, as a shell takes them."""
    files = [left[one.id] for one in finding.contents if one.id in left][:2]
    return " ".join(shlex.quote(words.place(path)) for path in files) if len(files) == 2 else ""


def _finding_step(finding: Finding, width: int) -> Text:
    from rich.text import Text

    style = "red" if finding.root else "yellow"
    if finding.operation is None:
        return Text("● ", style=style).append(words.short_id(finding.id), style="bold")
    return _step(finding.operation, width, style)


def _step(operation: Operation, width: int, style: str) -> Text:
    from rich.cells import cell_len
    from rich.text import Text

    text = Text("● ", style=style)
    text.append(words.clean(operation.name), style="bold")
    code = " ".join(filter(None, (words.location(operation), words.revision(operation))))
    text.append(parameters(operation, width - cell_len(text.plain) - cell_len(code) - 4))
    if code:
        gap = max(2, width - cell_len(text.plain) - cell_len(code))
        text.append(" " * gap + code, style="bright_black")
    return text


def _making(content: Content | None, making: Making) -> Text:
    """One making; with the content before the first of it."""
    from rich.text import Text

    parts = [""]
    if content is not None:
        parts = [words.short_id(content.id)]
        if content.artifact is not None:
            parts.append(words.shape(content.artifact))
        parts.append("once" if content.times == 1 else f"{content.times:,} times")
    known = "  ".join(part for part in parts if part)
    text = Text(f"    {known:<48}  ")
    run_id = making.operation.run if making.operation else None
    name = words.run_name(making.run, run_id) if run_id else "no run"
    return text.append(f"{words.moment(making.seen)} UTC  {name}", style="magenta")


def summary(report: Report) -> list[str]:
    """What was found and what was looked at, in sentences."""
    totals = report.totals
    roots = sum(one.root for one in report.findings)
    if report.verdict == "differing":
        rest = len(report.findings) - roots
        places = "1 place" if roots == 1 else f"{roots:,} places"
        steps = "1 step" if rest == 1 else f"{rest:,} steps"
        first = f"not deterministic in {places}" + (f", and {steps} after" if rest else "")
    elif report.verdict == "none found":
        first = f"no differences among {_derivations(totals.compared)}"
    else:
        first = "nothing to compare: that says nothing about whether the steps are deterministic"
    lines = [first, f"compared   {_derivations(totals.compared)} made more than once"]
    if totals.once:
        lines.append(
            f"once       {_derivations(totals.once)} with one known making: nothing can be said; "
            "run it again"
        )
    if totals.unknown:
        lines.append(
            f"unknown    {_derivations(totals.unknown)} without content ids; "
            "OTELPROV_TIER=full records them"
        )
    if totals.unclear:
        lines.append(
            f"unclear    {_derivations(totals.unclear)} changed after they were made, by code "
            "that is not recorded"
        )
    return lines


def _derivations(number: int) -> str:
    return "1 derivation" if number == 1 else f"{number:,} derivations"


# --- for programs --------------------------------------------------------------------------------


def to_dict(report: Report, left: Left, problems: Sequence[str]) -> dict[str, Any]:
    """As docs/check-json.md describes it."""
    totals = report.totals
    return {
        "schema": SCHEMA,
        "verdict": report.verdict,
        "checked": {
            "compared": totals.compared,
            "differing": totals.differing,
            "once": totals.once,
            "unclear": totals.unclear,
            "unknown": totals.unknown,
        },
        "findings": [_finding(one, left) for one in report.findings],
        "problems": list(problems),
    }


def _finding(finding: Finding, left: Left) -> dict[str, Any]:
    return {
        "derivation": finding.id,
        "seen": finding.stage,
        "root": finding.root,
        "proven": finding.proven,
        "causes": list(finding.causes),
        "unseen": finding.unseen,
        "operation": operation_dict(finding.operation) if finding.operation else None,
        "several": finding.several,
        "contents": [_content(one, left) for one in finding.contents],
    }


def _content(content: Content, left: Left) -> dict[str, Any]:
    known = content.artifact
    return {
        "id": content.id,
        "times": content.times,
        "kind": known.kind if known else None,
        "rows": known.rows if known else None,
        "columns": known.columns if known else None,
        "file": left.get(content.id),
        "first": [
            {
                "operation": one.operation_id,
                "run": one.operation.run if one.operation else None,
                "seen": words.iso(one.seen),
            }
            for one in content.first
        ],
    }
