"""The command line: parse, call, render. Each command imports what it needs when it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from otelprov.cli.check import check
from otelprov.cli.doctor import doctor
from otelprov.cli.identify import identify
from otelprov.cli.lineage import lineage
from otelprov.cli.logs import logs
from otelprov.cli.run import run
from otelprov.cli.runs import runs
from otelprov.cli.ship import ship
from otelprov.cli.show import show


class _Group(click.Group):
    """Every error is one message ``otelprov: …`` on stderr: exit code 2 for usage, else 1."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.UsageError as error:
            click.echo(f"otelprov: {error.format_message()}", err=True)
            if error.ctx is not None:
                click.echo(f"try '{error.ctx.command_path} --help'", err=True)
            sys.exit(error.exit_code)
        except click.ClickException as error:
            click.echo(f"otelprov: {error.format_message()}", err=True)
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("otelprov: interrupted", err=True)
            sys.exit(130)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(
    cls=_Group,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="otelprov", prog_name="otelprov")
@click.pass_context
def main(context: click.Context) -> None:
    """What was this made from? By which code, with which parameters?

    \b
      otelprov run -- python report.py      run a script and record what it does with data
      otelprov lineage out/report.csv       walk back to the raw data it was made from
      otelprov show out/report.csv          everything recorded about one file
      otelprov logs out/report.csv          what was logged while it was made
      otelprov runs                         what ran, newest first
      otelprov id a.parquet b.parquet --explain   are they equal? where do they differ?
      otelprov check determinism            which steps make something else each time?
      otelprov ship                         deliver the journal to a Collector
      otelprov doctor                       is everything recorded that should be?

    Exit codes: 0 done; 1 not found, not reachable, ambiguous; 2 wrong usage or a bad setting;
    3 answered, but some of the journal could not be read. `check`, `ship` and `id --explain`
    have their own.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (run, lineage, show, logs, runs, identify, check, ship, doctor):
    main.add_command(_command)
