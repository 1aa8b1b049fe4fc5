"""What the index keeps of a line, taken from its JSON without making spans of it.

That is a third of the work of :mod:`otelprov.journal.reader`, and agrees with it: what is no plain
span goes through the reader.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from otelprov import semconv
from otelprov.journal import reader
from otelprov.journal.reader import Lost, Span

# Local names, since they are asked for with each attribute of a million lines.
_KIND, _RUN = semconv.OPERATION_KIND, semconv.RUN_ID
_MADE = semconv.GENERATED_ID
_CONTENT, _URI = semconv.ARTIFACT_CONTENT_ID, semconv.ARTIFACT_URI
_MAKER = semconv.ARTIFACT_MAKER
_OF_ARTIFACTS = frozenset((semconv.USED_ID, _MADE, _CONTENT, _URI, _MAKER))
_CUT = frozenset(
    {
        semconv.REPEATED_COUNT,
        semconv.TRACE_CONTINUES,
        *(name for name in semconv.ATTRIBUTES if name.startswith("otelprov.dropped.")),
    }
)
"""What says of a span that something was cut: left out, summed up, or put into another trace."""
_ASKED = _CUT | {_KIND, _RUN}
_MOST = 1 << 53  # of one span: their sum is still a number that SQLite and JSON can hold
_ID_KEYS = {semconv.USED: semconv.USED_ID, semconv.GENERATED: _MADE}


class Mention(NamedTuple):
    """An artifact that an operation used or made."""

    made: bool
    artifact: str
    content: str | None
    uri: str | None
    maker: str | None
    """Kept where a write says what content the artifact had that it wrote."""


class Entry(NamedTuple):
    """An operation or a run."""

    position: int
    """Its place among the spans of its line."""
    trace_id: str
    span_id: str
    run: str | None
    kind: str
    name: str
    rank: int
    """How much is known: 0 its beginning, 1 that its call was over, 2 all."""
    start: int
    end: int
    mentions: list[Mention]


class Found(NamedTuple):
    """What one line holds."""

    spans: int
    """All of them, those of other libraries too."""
    entries: list[Entry]
    lost: list[Lost]
    cut: list[tuple[str, int]]
    """What was cut of spans that ended, by attribute; 1 where that has no number."""


def found_in(data: bytes) -> Found:
    """What one line holds.

    Raises:
        DamagedLine: the line is not an OTLP/JSON request.
    """
    cut: list[tuple[str, int]] = []
    try:
        messages = _messages(data)
        plain = [_entry(place, message, cut) for place, message in enumerate(messages)]
        return Found(len(messages), [one for one in plain if one], [], cut)
    except (AttributeError, KeyError, TypeError, ValueError):
        pass  # a record about a span, or damage; the reader says which
    spans, lost = reader.contents(data)
    entries = [one for place, span in enumerate(spans) if (one := _entry_of(place, span))]
    cut = [
        (key, _number(value))
        for span in spans
        for key, value in span.attributes.items()
        if key in _CUT and span.rank == 2
    ]
    return Found(len(spans), entries, lost, cut)


def _messages(data: bytes) -> list[Any]:
    own = reader.own_messages(data)
    if own is not None:
        return own[1]
    return [
        message
        for group in orjson.loads(data)["resourceSpans"]
        for scope in group.get("scopeSpans") or ()
        for message in scope.get("spans") or ()
    ]


def _entry(position: int, message: dict[str, Any], cut: list[tuple[str, int]]) -> Entry | None:
    """The entry of a span in OTLP/JSON; None for one of another library."""
    trace_id, span_id = reader.ids(message)
    start, end = reader.times(message)
    kind = run = None
    for pair in message.get("attributes") or ():
        key = pair["key"]
        if key not in _ASKED:
            continue
        if key == _KIND:
            kind = _text(pair)
        elif key == _RUN:
            run = _text(pair)
        elif end:
            cut.extend((key, _number(value)) for value in reader.attributes((pair,)).values())
    mentions: list[Mention] = []
    for event in message.get("events") or ():
        name = event.get("name")
        id_key = _ID_KEYS.get(name)
        said: dict[str, str | None] = {}
        for pair in event.get("attributes") or ():
            key = pair["key"]
            if key in _OF_ARTIFACTS:
                said[key] = _text(pair)
        artifact = said.get(id_key) if id_key else None
        if artifact is not None:
            made, content, maker = id_key == _MADE, said.get(_CONTENT), said.get(_MAKER)
            if kind != "write" or made or content is None:
                maker = None
            mentions.append(Mention(made, artifact, content, said.get(_URI), maker))
    if kind is None:
        return None
    if kind == "run":
        run = f"{trace_id}-{span_id}"
    name = str(message.get("name", ""))
    rank = 2 if end else 0
    return Entry(position, trace_id, span_id, run, kind, name, rank, start, end, mentions)


def _number(value: Any) -> int:
    return min(max(value, 0), _MOST) if type(value) is int else 1


def _entry_of(position: int, span: Span) -> Entry | None:
    """The same of a span as the reader gives it."""
    kind, run = span.attributes.get(semconv.OPERATION_KIND), span.attributes.get(semconv.RUN_ID)
    if not isinstance(kind, str):
        return None
    if kind == "run":
        run = f"{span.trace_id}-{span.span_id}"
    mentions: list[Mention] = []
    for event in span.events:
        id_key = _ID_KEYS.get(event.name, "")
        artifact, content, uri, maker = map(event.attributes.get, (id_key, _CONTENT, _URI, _MAKER))
        if isinstance(artifact, str):
            made = id_key == _MADE
            content = content if isinstance(content, str) else None
            uri = uri if isinstance(uri, str) else None
            wrote = kind == "write" and not made and content is not None
            maker = maker if wrote and isinstance(maker, str) else None
            mentions.append(Mention(made, artifact, content, uri, maker))
    return Entry(
        position,
        span.trace_id,
        span.span_id,
        run if isinstance(run, str) else None,
        kind,
        span.name,
        span.rank,
        span.start,
        span.end,
        mentions,
    )


def _text(pair: dict[str, Any]) -> str | None:
    value = pair.get("value")
    text = value.get("stringValue") if value else None
    return text if type(text) is str else None
