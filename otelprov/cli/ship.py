"""``otelprov ship``: deliver what the journal holds to a Collector."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from otelprov.cli.common import BadSetting, strict_settings

if TYPE_CHECKING:
    from otelprov.shipping.endpoint import Endpoint
    from otelprov.shipping.shipper import Sent, Shipper

_AGAIN = 1.0  # seconds between two looks at the journal with --watch
UNREACHABLE = 2
"""Exit code: something is left because the receiver is away or needs setting up."""


@click.command(short_help="Deliver the journal to a Collector.")
@click.option(
    "--to",
    metavar="URL",
    help="The receiver's address; /v1/traces and /v1/logs are put behind it.  "
    "[default: OTEL_EXPORTER_OTLP_ENDPOINT and its like, or http://localhost:4318]",
)
@click.option(
    "--signal",
    "chosen",
    type=click.Choice(["traces", "logs"]),
    help="Deliver only this.  [default: both]",
)
@click.option("--watch", is_flag=True, help="Go on until interrupted, also through outages.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a receiver that is away.",
)
def ship(to: str | None, chosen: str | None, watch: bool, wait: float) -> int:
    """Deliver to a Collector what is in the journal and was not delivered there yet.

    With OTEL_TRACES_EXPORTER=otelprov a program does so itself, while it runs. What is left when
    it ends, because the Collector was away or the program was killed, the next program delivers,
    or this command. What was taken once is remembered for each destination and not sent again.

    \b
      otelprov ship                                 to where the OTEL_* variables say
      otelprov ship --to http://collector:4318      to a Collector
      otelprov ship --signal traces                 to a receiver that takes no logs
      otelprov ship --watch                         deliver for others, until interrupted

    Headers, TLS and compression are taken from OTEL_EXPORTER_OTLP_HEADERS, _CERTIFICATE,
    _CLIENT_KEY, _CLIENT_CERTIFICATE, _COMPRESSION and _TIMEOUT (seconds).

    Exit codes: 0 all is delivered; 1 the receiver refused something for good (it stays in the
    journal); 2 something is left, or wrong usage.
    """
    from otelprov.journal.delivery import SIGNALS
    from otelprov.shipping.endpoint import EndpointError, endpoint

    journal = strict_settings().journal
    if journal is None:
        raise BadSetting("the journal is off (OTELPROV_JOURNAL=off): there is nothing to deliver")
    try:
        endpoints = [
            endpoint(signal, base=to) for signal in SIGNALS if chosen is None or signal == chosen
        ]
    except EndpointError as error:
        raise BadSetting(str(error)) from None
    if not journal.is_dir():
        if not watch:
            click.echo(f"nothing to deliver: there is no journal at {journal}")
            return 0
        journal.mkdir(mode=0o700, parents=True)
    return _ship(journal, endpoints, watch=watch, patience=wait)


@dataclass(slots=True)
class _Delivered:
    """What became of one signal in this call."""

    lines: int = 0
    rejected: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)
    left: int = 0
    busy: int = 0
    """Segments that another process is sending."""
    trouble: str = ""

    def add(self, sent: Sent) -> None:
        self.lines += sent.lines
        self.rejected += sent.rejected
        self.refused += sent.refused
        if sent.text and sent.text not in self.reasons and len(self.reasons) < 5:
            self.reasons.append(sent.text)


def _ship(journal: Path, endpoints: list[Endpoint], *, watch: bool, patience: float) -> int:
    from otelprov.shipping.guest import unseen

    results = []
    with _Progress() as bar, unseen():
        try:
            if watch:
                results = _watch(journal, endpoints, bar)
            else:
                for where in endpoints:
                    results.append((where, _deliver_all(journal, where, bar, patience)))
        except OSError as error:
            raise click.ClickException(
                f"{error.filename or journal}: {error.strerror or error}; "
                "without a place to write, what is delivered cannot be remembered"
            ) from None
    code = 0
    for where, result in results:
        code = max(code, _tell(where, result))
    return code


def _deliver_all(journal: Path, where: Endpoint, bar: _Progress, patience: float) -> _Delivered:
    """Send everything; wait for a receiver that is away, for as long as there is patience."""
    from otelprov.shipping.backoff import Backoff
    from otelprov.shipping.shipper import Shipper

    result = _Delivered()
    shipper = Shipper(journal, where, watch=_watcher(result, bar))
    backoff = Backoff(most=10.0)
    away_since: float | None = None
    before = -1
    while True:
        bar.expect(where, left(shipper))
        result.busy = _round(shipper)
        trouble = shipper.trouble
        if trouble is None:
            break
        if trouble.kind == "setup":
            break
        now = time.monotonic()
        if away_since is None or result.lines > before:
            away_since, before = now, result.lines
            backoff.reset()
        pause = backoff.wait(trouble)
        if now - away_since + pause > patience:
            break
        bar.say(f"{where.address} {trouble.text}; trying again")
        time.sleep(pause)
    result.trouble = trouble.text if trouble else ""
    result.left = left(shipper)[0]
    shipper.close()
    return result


def _watch(
    journal: Path, endpoints: list[Endpoint], bar: _Progress
) -> list[tuple[Endpoint, _Delivered]]:
    """Send what is there and what comes, until interrupted."""
    from otelprov.shipping.backoff import Backoff
    from otelprov.shipping.shipper import Shipper

    results = [(where, _Delivered()) for where in endpoints]
    lanes = [
        (Shipper(journal, where, watch=_watcher(result, bar)), Backoff(), result)
        for where, result in results
    ]
    due = [0.0] * len(lanes)
    try:
        while True:
            for place, (shipper, backoff, result) in enumerate(lanes):
                if time.monotonic() < due[place]:
                    continue
                result.busy = _round(shipper)
                if shipper.trouble is None:
                    backoff.reset()
                    bar.say(f"watching {journal}")
                    continue
                due[place] = time.monotonic() + backoff.wait(shipper.trouble)
                bar.say(f"{shipper.endpoint.address} {shipper.trouble.text}; trying again")
            time.sleep(_AGAIN)
    except KeyboardInterrupt:
        pass
    for shipper, _, result in lanes:
        result.trouble = shipper.trouble.text if shipper.trouble else ""
        result.left = left(shipper)[0]
        shipper.close()
    return results


def _round(shipper: Shipper) -> int:
    """Send all segments once; how many of them another process is sending."""
    busy = 0
    shipper.trouble = None
    for segment in shipper.segments():
        try:
            outcome = shipper.deliver(segment)
        except FileNotFoundError:  # removed since it was listed
            continue
        if outcome == "stopped":
            break
        busy += outcome == "taken"
    return busy


def left(shipper: Shipper) -> tuple[int, int]:
    """Lines and bytes that wait to be delivered."""
    from otelprov.shipping.shipper import waiting

    found = waiting(shipper.journal, shipper.endpoint)
    return found.lines, found.bytes


def _watcher(result: _Delivered, bar: _Progress) -> Callable[[Sent], None]:
    def watch(sent: Sent) -> None:
        result.add(sent)
        bar.advance(sent)

    return watch


def _tell(where: Endpoint, result: _Delivered) -> int:
    """Say what became of a signal; the exit code that follows from it."""
    from otelprov.render.words import clean

    what = {"traces": "spans", "logs": "log records"}[where.signal]
    parts = [f"{result.lines - result.rejected:,} {what} delivered"]
    not_taken = result.rejected + result.refused
    if not_taken:
        parts.append(f"{not_taken:,} refused for good")
    if result.left:
        parts.append(f"{result.left:,} left")
    click.echo(f"{where.signal:6}  {clean(where.address)}: {', '.join(parts)}")
    for reason in result.reasons:
        click.echo(f"        it says: {clean(reason)}")
    if result.trouble:
        click.echo(f"otelprov: {clean(where.address)} {clean(result.trouble)}", err=True)
        if where.signal == "logs" and result.trouble.startswith("answers 404"):
            click.echo("where no logs are wanted: otelprov ship --signal traces", err=True)
        return UNREACHABLE
    if result.left and result.busy:
        click.echo("        another process is sending them")
        return 0
    return 1 if not_taken else UNREACHABLE if result.left else 0


class _Progress:
    """A bar on a terminal, nothing in a pipe."""

    def __enter__(self) -> _Progress:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal or bool(os.environ.get("NO_PROGRESS")),
        )
        self._task = self._bar.add_task("", total=None)
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def expect(self, where: Endpoint, waiting: tuple[int, int]) -> None:
        """A signal begins, with so many lines and bytes."""
        self._bar.reset(self._task, total=waiting[1], description=f"{where.signal}")

    def advance(self, sent: Sent) -> None:
        """A request was answered."""
        self._bar.advance(self._task, sent.bytes)

    def say(self, text: str) -> None:
        """What is going on, in place of the signal's name."""
        self._bar.update(self._task, description=text)
