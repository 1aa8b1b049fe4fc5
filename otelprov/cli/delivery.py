"""What ``otelprov doctor`` says of the delivery of the journal."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from otelprov.journal.delivery import Signal
    from otelprov.shipping.endpoint import Endpoint

State = Literal["ok", "note", "problem"]
_NAME = "otelprov"
_QUICK = 2.0  # seconds for an answer


def chosen() -> list[Signal]:
    """The signals whose exporter is otelprov's."""
    from otelprov.journal.delivery import SIGNALS

    return [
        signal
        for signal in SIGNALS
        if _NAME in _names(os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", ""))
    ]


def look(
    journal: Path | None, signal: Signal, figures: dict[str, Any]
) -> Iterator[tuple[State, str]]:
    """The findings about one signal; the figures behind them go into ``figures``."""
    from otelprov.shipping.endpoint import EndpointError, endpoint

    if journal is None:
        yield "problem", f"{signal}: there is no journal to deliver (OTELPROV_JOURNAL=off)"
        return
    try:
        where = endpoint(signal)
    except EndpointError as error:
        yield "problem", f"{signal}: {error}; nothing is delivered"
        return
    figures.update(signal=signal, address=where.address)
    yield _answers(where, figures)
    text = _state(journal, where, figures)
    if text is not None:
        taken = figures["refused"] + figures["rejected"]
        yield "note" if taken else "ok", text
    if figures.get("trouble"):
        yield "note", f"{signal}: last attempt: {figures['trouble']}"
    protocol = os.environ.get(
        f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL",
        os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", ""),
    )
    if protocol.strip() == "grpc":
        yield "note", f"{signal}: sent as OTLP/HTTP with JSON, whatever the PROTOCOL says"


def _answers(where: Endpoint, figures: dict[str, Any]) -> tuple[State, str]:
    from otelprov.shipping.guest import unseen
    from otelprov.shipping.sending import Client

    client = Client(where)
    with unseen():
        answer = client.understands(timeout=_QUICK)
    client.close()
    fine = answer.kind == "accepted"
    figures.update(answers=fine, reason=None if fine else answer.text)
    if fine:
        return "ok", f"{where.signal}: {where.address} takes them"
    return "problem", f"{where.signal}: {where.address} {answer.text}"


def _state(journal: Path, where: Endpoint, figures: dict[str, Any]) -> str | None:
    from otelprov.journal.delivery import Delivery
    from otelprov.render.words import size
    from otelprov.shipping.shipper import waiting

    if not journal.is_dir():
        return None
    delivery = Delivery(journal, where.signal, where.address)
    counts, wait = delivery.counts(), waiting(journal, where)
    trouble = delivery.last_trouble()
    figures.update(
        delivered=counts.lines - counts.rejected,
        rejected=counts.rejected,
        refused=counts.refused,
        skipped=counts.skipped,
        waiting=asdict(wait),
        trouble=f"{trouble.text} ({_ago(trouble.at)})" if trouble else None,
    )
    text = f"{where.signal}: {figures['delivered']:,} delivered, {wait.lines:,} waiting"
    if wait.lines:
        text += f" ({size(wait.bytes)}, the oldest from {_ago(wait.oldest or 0)})"
    for number, word in (
        (counts.refused + counts.rejected, "refused by the receiver"),
        (counts.skipped, "damaged lines passed over"),
    ):
        if number:
            text += f", {number:,} {word}"
    return text


def _ago(moment: int) -> str:
    seconds = max(0, int(time.time() - moment / 1e9))
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
