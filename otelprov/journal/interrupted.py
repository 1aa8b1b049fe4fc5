"""What a program that Ctrl-C has ended leaves behind, whatever is done at its exit."""

from __future__ import annotations

import sys
from contextlib import suppress


def was_interrupted() -> bool:
    """Whether the program has been ended by Ctrl-C."""
    return isinstance(getattr(sys, "last_value", None), KeyboardInterrupt)


def remember_interrupt() -> None:
    """A program that Ctrl-C has ended dies of SIGINT, also when something was imported since.

    The interpreter keeps a note of it, which any evaluation of a text takes away, such as that in
    ``namedtuple`` (CPython 3.8 to 3.14, ``run_eval_code_obj``): the exit status would be 1.
    """
    if was_interrupted():
        with suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")  # noqa: S102 - this is what sets the note again
