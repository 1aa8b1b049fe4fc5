"""``otelprov run``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import PurePath

import click

_EXPORTERS = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
_LAUNCHER = "opentelemetry-instrument"
_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")  # options of python that take a word


@click.command(
    short_help="Run a command and record what it does with data.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option(
    "--journal",
    metavar="DIR",
    help="Directory of the journal.  [default: OTELPROV_JOURNAL, or the user's state directory]",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(journal: str | None, command: tuple[str, ...]) -> None:
    """Run COMMAND and record in the journal what it does with data.

    This is `opentelemetry-instrument COMMAND` with the journal as the only place where
    anything goes, unless OTEL_TRACES_EXPORTER and its like say otherwise. Output, signals
    and exit code are COMMAND's own.

    \b
      otelprov run -- python report.py --month 3
      otelprov run --journal ./journal -- python -m package.report
      OTEL_TRACES_EXPORTER=otlp otelprov run -- python report.py
    """
    launcher = _launcher()
    if launcher is None:
        raise click.ClickException(
            f"{_LAUNCHER} is not installed: pip install opentelemetry-instrumentation"
        )
    if shutil.which(command[0]) is None:
        click.echo(f"otelprov: there is no command {command[0]!r}", err=True)
        raise click.exceptions.Exit(127)
    environ = dict(os.environ)
    complete(environ, command)
    if journal is not None:
        environ["OTELPROV_JOURNAL"] = os.path.abspath(os.path.expanduser(journal))
    sys.stdout.flush()
    sys.stderr.flush()
    # Without the dashes the launcher takes options of the command's for its own, and `--config` for
    # the beginning of two of them (opentelemetry-instrumentation 0.66b1).
    try:
        os.execve(launcher, [launcher, "--", *command], environ)  # noqa: S606 - no shell is what we want
    except OSError as error:
        raise click.ClickException(f"cannot start {launcher}: {error.strerror}") from None


def complete(environ: MutableMapping[str, str], command: Sequence[str]) -> None:
    """Fill in what is not set: no exporter, and the script's name as the service's."""
    for name in _EXPORTERS:
        if not environ.get(name):
            environ[name] = "none"
    resource = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    keys = [pair.partition("=")[0].strip() for pair in resource.split(",")]
    if not environ.get("OTEL_SERVICE_NAME") and "service.name" not in keys:
        environ["OTEL_SERVICE_NAME"] = service_name(command)


def service_name(command: Sequence[str]) -> str:
    """The script's stem, the module's name, or the command's.

    ``python -u report.py`` is ``report``, ``python -m package.report`` is ``package.report``.
    """
    program = PurePath(command[0]).stem
    if not program.startswith(("python", "pypy")):
        return program
    words = iter(command[1:])
    for word in words:
        if word in _WITH_VALUE:
            next(words, None)
        elif word == "-m":
            return next(words, program)
        elif word.startswith("-c") or word == "-":
            break
        elif not word.startswith("-"):
            return PurePath(word).stem
    return program


def _launcher() -> str | None:
    # First beside the interpreter that runs us: that environment has our entry points.
    beside = os.path.join(os.path.dirname(sys.executable), _LAUNCHER)
    return beside if os.access(beside, os.X_OK) else shutil.which(_LAUNCHER)
