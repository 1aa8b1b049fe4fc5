"""Where the columns come from of what was made of two tables or more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from otelprov.lineage.column_parameters import all_names, ambiguous, listed
from otelprov.lineage.column_sources import From, Question, Sources
from otelprov.model import Names


def merged(question: Question) -> Sources | None:
    """``merge``, ``join`` and their kin: keys, and the suffixes of names that both have."""
    sides = _sides(question)
    names = question.made_names()
    if sides is None or names is None:
        return None
    (left, own), (right, other) = sides
    on, left_on, right_on = (listed(question.given(one)) for one in ("on", "left_on", "right_on"))
    how = str(question.given("how") or question.given("join_type")).partition(" ")[0]
    if question.operation.name == "pandas.merge_asof":
        how = "left"
    by_index = any(question.given(one) is True for one in ("left_index", "right_index"))
    if question.operation.name == "polars.join":
        on_left, on_right = left_on or on, right_on or on
        suffixes: Sequence[str] | None = ["", str(question.given("suffix") or "_right")]
    elif question.operation.name == "pandas.join":
        by_index = True
        on_left = on_right = None
        if question.given("on") in (None, "None"):
            on_left = on_right = _common_levels(question, left, right)
        else:
            other = _without_levels(question, right, other)
        suffixes = [(listed(question.given(one)) or [""])[0] for one in ("lsuffix", "rsuffix")]
        if "suffixes" in question.operation.given:
            suffixes = listed(question.given("suffixes"))
    elif question.operation.name == "pyarrow.Table.join":
        if question.given("coalesce_keys") is not True:
            return None
        on_left, on_right = (
            listed(question.given("left_keys")),
            listed(question.given("right_keys")),
        )
        given = (question.given("left_suffix"), question.given("right_suffix"))
        suffixes = ["" if one in (None, "None") else str(one) for one in given]
    else:
        on_left, on_right = left_on or on, right_on or on
        if question.given("left_index") is True and question.given("right_index") is True:
            on_left = on_right = _common_levels(question, left, right)
        # A column of one is looked up in the labels of the other.
        elif question.given("right_index") is True and how in ("inner", "left"):
            on_left, on_right, other = on_left or [], [], _without_levels(question, right, other)
        elif question.given("left_index") is True and how in ("inner", "right"):
            on_left, on_right, own = [], on_right or [], _without_levels(question, left, own)
        elif on_left is None and not by_index and how != "cross":
            common = [name for name in own if name in other]
            on_left = on_right = common
        by = [listed(question.given(one)) or [] for one in ("by", "left_by", "right_by")]
        if question.operation.name == "pandas.merge_asof":
            on_left = [*(on_left or ()), *by[0], *by[1]]
            on_right = [*(on_right or ()), *by[0], *by[2]]
        elif any(by):
            return None
        suffixes = listed(question.given("suffixes"))
    if suffixes is None or len(suffixes) != 2 or (on_left is None) != (on_right is None):
        return None
    return _paired(
        names, (left, own, on_left or [], suffixes[0]), (right, other, on_right or [], suffixes[1]),
        how, by_index,
    )  # fmt: skip


def _common_levels(question: Question, left: str, right: str) -> list[str]:
    """The levels that both indexes have, by which tables are joined."""
    one, two = question.names_of(left), question.names_of(right)
    if one is None or two is None:
        return []
    return [name for name in one.index if name is not None and name in two.index]


def _without_levels(question: Question, artifact_id: str, names: list[str]) -> list[str]:
    found = question.names_of(artifact_id)
    return names if found is None else list(found.columns)


_Side = tuple[str, Sequence[str], Sequence[str], str]
"""Id, names, keys, suffix."""


def _paired(names: Names, left: _Side, right: _Side, how: str, by_index: bool) -> Sources:
    (left_id, own, on_left, left_suffix), (right_id, other, on_right, right_suffix) = left, right
    shared = {one for one, two in zip(on_left, on_right, strict=False) if one == two}
    columns: dict[str, tuple[From, ...]] = {}
    for name in (*names.columns, *names.index):
        if name is None:
            continue
        if name in shared:
            both = (From(left_id, name, "identity"), From(right_id, name, "identity"))
            chosen = {"right": both[1:], "outer": both, "full": both}.get(how, both[:1])
            columns[name] = chosen
            continue
        found = [
            From(id_, base, "identity")
            for id_, known, others, suffix in (
                (left_id, own, other, left_suffix),
                (right_id, other, own, right_suffix),
            )
            for base in _bases(name, suffix, known, others, shared)
        ]
        if len(found) == 1:
            columns[name] = tuple(found)
    rows = [From(left_id, one, "join") for one in on_left if one in own]
    rows += [From(right_id, one, "join") for one in on_right if one in other]
    return Sources(
        columns,
        {},
        tuple(rows),
        "the index" if by_index and not rows else "",
        "it is not known of which table it is",
    )


def _bases(
    name: str, suffix: str, own: Sequence[str], others: Sequence[str], shared: set[str]
) -> list[str]:
    """The column of a table that has this name in the result."""
    if name in own and (name not in others or suffix == ""):
        return [name]
    base = name[: -len(suffix)] if suffix and name.endswith(suffix) else None
    if base is not None and base in own and base in others and base not in shared:
        return [base]
    return []


def _sides(question: Question) -> tuple[tuple[str, list[str]], tuple[str, list[str]]] | None:
    """The two tables, with their names."""
    if not question.tables_only:
        return None
    left = [one.artifact.id for one in question.used if one.role in _LEFT]
    right = [one.artifact.id for one in question.used if one.role in _RIGHT]
    taken = question.operation.inputs
    if not right:
        for role in _RIGHT:
            right = [id_ for one in taken.get(role, ()) for id_ in question.used_by_beginning(one)]
            if right:
                break
    if len(left) != 1 or len(right) != 1:
        return None
    own, other = question.names_of(left[0]), question.names_of(right[0])
    if own is None or other is None or ambiguous(own) or ambiguous(other):
        return None
    return (left[0], all_names(own)), (right[0], all_names(other))


_LEFT: Final = ("self", "left", "left_operand")

_RIGHT: Final = ("right", "other", "right_operand")


def stacked(question: Question) -> Sources | None:
    """``concat``: the columns of the same name, of each table that has it."""
    names = question.made_names()
    axis = question.given("axis")
    if (
        names is None
        or axis not in (None, 0, "0", "index")
        or question.given("keys")
        not in (
            None,
            "None",
        )
    ):
        return None
    if question.given("how") not in (None, "vertical", "diagonal", "vertical_relaxed",
                                     "diagonal_relaxed"):  # fmt: skip
        return None
    columns: dict[str, tuple[From, ...]] = {}
    known = {one.artifact.id: question.names_of(one.artifact.id) for one in question.used}
    if any(one is None or ambiguous(one) for one in known.values()):
        return None
    for name in (*names.columns, *names.index):
        if name is None:
            continue
        found = tuple(
            From(id_, name, "identity")
            for id_, own in known.items()
            if own is not None and name in all_names(own)
        )
        if found:
            columns[name] = found
    return Sources(columns)
