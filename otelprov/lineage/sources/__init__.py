"""Where recorded operations are read from: one small protocol, one module for each source."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from otelprov._record import record
from otelprov.model import Operation, Run

if TYPE_CHECKING:
    from otelprov.lineage.logged import LogSource


class SourceError(Exception):
    """A source cannot be opened or does not answer; the message is for people."""


class AddressError(SourceError):
    """The text that names a source is not understood."""


@record
class Wanted:
    """Which runs are asked for: those that meet every condition that is set."""

    since: int = 0
    """That began then or later, nanoseconds since the epoch."""
    name: str | None = None
    """With this in their name."""
    operation: str | None = None
    """That carried out an operation of this name."""


ALL = Wanted()


class Source(Protocol):
    """A place that knows operations.

    Every method may raise :class:`SourceError`.
    """

    @property
    def name(self) -> str:
        """What people call it: ``journal:/path`` or an address."""

    def producers(self, ids: Collection[str]) -> dict[str, list[Operation]]:
        """The operations that generated each artifact; one call for a level of a walk."""

    def consumers(self, ids: Collection[str]) -> dict[str, list[Operation]]:
        """The operations that used each artifact."""

    def operation(self, trace_id: str, span_id: str) -> Operation | None:
        """One operation, when the source has it."""

    def trace(self, trace_id: str) -> list[Operation]:
        """The operations of a trace, oldest first; none when the source has no such trace."""

    def run(self, trace_id: str, span_id: str) -> Run | None:
        """One run, when the source has it."""

    def runs(self, limit: int, wanted: Wanted = ALL) -> list[Run]:
        """The newest runs, newest first."""

    def complete(self, prefix: str) -> list[str]:
        """The artifact ids that begin so, at most a few."""

    def holding(self, content_id: str) -> list[str]:
        """The ids of derived artifacts whose content has this id, newest first."""

    def at(self, uris: Sequence[str]) -> list[str]:
        """The ids of artifacts that were read from or written to one of these places."""

    def tables_of(self, database: str) -> list[str]:
        """The URIs of the tables of a database; none where the source cannot be asked for them."""

    def problems(self) -> list[str]:
        """What could not be read, one line each."""

    def absences(self, before: int | None) -> list[str]:
        """What an operation that is missing may be among, in words: "5 lines that were lost".

        ``before`` is when it must have begun at the latest, in nanoseconds since the epoch.
        """


def open_logs(address: str) -> LogSource:
    """Open the log lines of ``journal:PATH``, ``otlp-file:PATH`` or ``loki+http://HOST:PORT``.

    Raises:
        AddressError: the address is of no known form.
        SourceError: there is nothing at the path.
    """
    scheme, _, rest = address.partition(":")
    if scheme == "journal" and rest:
        from otelprov.lineage.sources.journal import JournalSource
        from otelprov.lineage.sources.log_files import JournalLogs

        return JournalLogs(JournalSource(rest).index, rest)
    if scheme == "otlp-file" and rest:
        from otelprov.lineage.sources.log_files import LogFiles

        return LogFiles(rest)
    if scheme in ("loki+http", "loki+https") and rest.strip("/"):
        from otelprov.lineage.sources.loki import LokiLogs

        return LokiLogs(address.removeprefix("loki+"))
    raise AddressError(
        f"{address!r} has no log lines; expected journal:PATH, otlp-file:PATH or "
        "loki+http://HOST:PORT"
    )


def open_source(address: str) -> Source:
    """Open ``journal:PATH``, ``jaeger+http://HOST:PORT`` or ``tempo+http://HOST:PORT`` (or https).

    Raises:
        AddressError: the address is of no known form.
        SourceError: there is no journal at the path.
    """
    scheme, _, rest = address.partition(":")
    if scheme == "journal" and rest:
        from otelprov.lineage.sources.journal import JournalSource

        return JournalSource(rest)
    if scheme in ("jaeger+http", "jaeger+https") and rest.strip("/"):
        from otelprov.lineage.sources.jaeger import JaegerSource

        return JaegerSource(address.removeprefix("jaeger+"))
    if scheme in ("tempo+http", "tempo+https") and rest.strip("/"):
        from otelprov.lineage.sources.tempo import TempoSource

        return TempoSource(address.removeprefix("tempo+"))
    raise AddressError(
        f"{address!r} is no source; expected journal:PATH, jaeger+http://HOST:PORT "
        "or tempo+http://HOST:PORT"
    )
