"""What the commands that read have in common: the source, its problems, and the console."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from otelprov.lineage.logged import LogSource
    from otelprov.lineage.sources import Source
    from otelprov.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

WIDTH = 100
_PROBLEMS = 10
INCOMPLETE = 3
"""Exit code: the answer is printed, but some of the journal could not be read."""


def source_option(command: F) -> F:
    """``--source``, the same for every command that reads."""
    return click.option(
        "--source",
        metavar="SOURCE",
        help="Where to look: journal:PATH, jaeger+http://HOST:PORT or tempo+http://HOST:PORT.  "
        "[default: the journal named by OTELPROV_JOURNAL, or that in the user's state directory]",
    )(command)


class BadSetting(click.ClickException):
    """A setting or an address is not understood."""

    exit_code = 2


def strict_settings() -> Settings:
    """The settings; a bad one ends the command with exit code 2."""
    from otelprov import settings

    try:
        return settings.load(strict=True)
    except settings.SettingError as error:
        raise BadSetting(str(error)) from None


@contextmanager
def opened(address: str | None, target: str = "") -> Iterator[Source]:
    """The source to ask; whatever goes wrong with it ends the command with a message.

    ``target`` is what the source is to be asked for: a file may say itself where its story is.
    """
    from otelprov.lineage.sources import AddressError, SourceError, open_source

    settings = strict_settings()
    if address is None:
        if settings.journal is None:
            raise BadSetting(
                "the journal is off (OTELPROV_JOURNAL=off); name another source with --source"
            )
        address = f"journal:{settings.journal}"
    try:
        yield open_source(address)
    except AddressError as error:
        raise BadSetting(f"--source {error}") from None
    except SourceError as error:
        raise click.ClickException(str(error) + _carried(target)) from None


@contextmanager
def opened_logs(address: str | None) -> Iterator[LogSource]:
    """The log lines to ask for; as ``opened``."""
    from otelprov.lineage.sources import AddressError, SourceError, open_logs

    if address is None:
        settings = strict_settings()
        if settings.journal is None:
            raise BadSetting(
                "the journal is off (OTELPROV_JOURNAL=off); name other log lines with --source"
            )
        address = f"journal:{settings.journal}"
    try:
        yield open_logs(address)
    except AddressError as error:
        raise BadSetting(f"--source {error}") from None
    except SourceError as error:
        raise click.ClickException(str(error)) from None


def _carried(target: str) -> str:
    if not os.path.isfile(target):
        return ""
    from otelprov.artifacts import carrier

    found = carrier.read(target)
    if found is None:
        return ""
    return (
        f"\nthe file says that operation {found.trace_id}-{found.span_id} wrote it: "
        "where its spans were sent to a Jaeger, ask that with --source jaeger+http://HOST:PORT"
    )


def warn(source: Source | LogSource) -> int:
    """Tell on stderr what could not be read; the exit code that follows from it."""
    problems = source.problems()
    for problem in problems[:_PROBLEMS]:
        click.echo(f"otelprov: {problem}", err=True)
    if len(problems) > _PROBLEMS:
        click.echo(f"otelprov: … and {len(problems) - _PROBLEMS} more like this", err=True)
    return INCOMPLETE if problems else 0


def console() -> Console:
    """A console of the terminal's width, at most 100 columns; without colour in a pipe."""
    from rich.console import Console

    made = Console(highlight=False, markup=False, emoji=False)
    made.width = min(made.width, WIDTH) if made.is_terminal else WIDTH
    return made
