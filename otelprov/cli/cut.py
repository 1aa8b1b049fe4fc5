"""What ``otelprov doctor`` says of what is not in the journal in full, or not where it began."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from otelprov import semconv

if TYPE_CHECKING:
    from otelprov.journal.index import Cut

_WORDS: Final = {
    semconv.DROPPED_USED: ("used artifact left out", "used artifacts left out"),
    semconv.DROPPED_GENERATED: ("generated artifact left out", "generated artifacts left out"),
    semconv.DROPPED_PARAMETERS: ("parameter left out", "parameters left out"),
    semconv.DROPPED_UNCHANGED: ("unchanged column not named", "unchanged columns not named"),
    semconv.DROPPED_CARRIERS: ("file not asked for its id", "files not asked for their ids"),
}
"""By attribute: what a limit cut, of one and of several."""


def look(cuts: Sequence[Cut]) -> Iterator[str]:
    """One sentence for each thing that was cut."""
    from otelprov.render.words import size

    for one in cuts:
        spans = _several(one.spans, "span")
        if one.attribute == semconv.REPEATED_COUNT:
            stands = "stands" if one.spans == 1 else "stand"
            yield f"summed up: {spans} {stands} for {_several(one.number, 'call')}"
        elif one.attribute == semconv.TRACE_CONTINUES:
            yield f"full traces: {_several(one.spans, 'time')}, what followed is in another trace"
        elif one.attribute == semconv.DROPPED_OPERATIONS:
            calls = _several(one.number, "call")
            yield f"not recorded by a rule of the policy: {calls} of {_several(one.spans, 'run')}"
        elif one.attribute == semconv.DROPPED_DIGEST_BYTES:
            yield f"cut by a limit: {size(one.number)} not digested, said by {spans}"
        else:
            words = _WORDS.get(one.attribute, (one.attribute, one.attribute))
            what = words[one.number != 1]
            yield f"cut by a limit: {one.number:,} {what}, said by {spans}"


def _several(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"
