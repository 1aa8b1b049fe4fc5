"""What is written down of an exception: its class, its message, where it was raised.

A message may quote the data (``could not convert string to float: '4111 1111 1111 1111'``), or name
what somebody needs to understand it (``KeyError: 'price'``). ``OTELPROV_EXCEPTIONS`` says which
of that is kept (docs/decisions/0018):

- ``masked`` (the default): quoted texts that are no plain names, whatever a conversion or a parser
  quotes, long numbers, and what stands in a statement or is bound to it become ``…``;
- ``full``: everything but secrets;
- ``type``: the class, and the files, lines and functions; no message and no line of code.

The values of local variables are never written.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from typing import Final

from otelprov.recording import faults
from otelprov.recording.policy import shorten
from otelprov.redaction import redact
from otelprov.settings import Exceptions
from otelprov.statements import later, mask_literals

MAX_MESSAGE: Final = 512
MAX_STACK: Final = 1900
MAX_READ: Final = 8000
"""Characters of a message or a stack that are looked at."""
MAX_CHAIN: Final = 16
"""Exceptions that led to one another."""
MASKED: Final = "…"

_QUOTED: Final = later(
    r"(?<!\w)(?:'((?:[^'\\]|\\.|'(?=\w))*)(?:'|\Z|\\\Z)|\"((?:[^\"\\]|\\.)*)(?:\"|\Z|\\\Z))",
    re.DOTALL,
)
_NAME: Final = later(r"[A-Za-z_.~/<][\w./~<>:\[\]()-]{0,254}|\W{0,3}|utf-?8|[a-z0-9_]{1,12}")
_DIGITS: Final = later(r"\d{6}")
# What follows these words is a value, whatever it looks like.
_OF_A_VALUE: Final = later(
    r"(?:convert|conversion|parse|parsing|literal|cast|decode|match format|time data|format|value"
    r"|string|timestamp|date|number|float|int|bool|integer|element|cell|record|input|entry|duplicate)\b"
    r"[^'\"]{0,60}$",
    re.IGNORECASE,
)
_LONG_NUMBER: Final = later(r"(?<![\w.])\d(?:[ -]?\d){8,18}(?![\w.])")
_STATEMENT: Final = later(r"(\[SQL: |on sql ')(.*?)(\]\n|'(?=:|$)|\]$)", re.DOTALL)
_BOUND: Final = later(r"\[parameters: .*?(?:\]$|\]\n|\Z)", re.DOTALL)
_DETAIL: Final = later(r"\((\"?\w+\"?(?:, ?\"?\w+\"?)*)\)=\([^\n]*?\)")


def message_of(error: BaseException, form: Exceptions) -> str:
    """The text of an exception, at most 512 characters."""
    return shorten(_message(error, form), MAX_MESSAGE)


def stack_of(error: BaseException, form: Exceptions, limit: int | None = -8) -> str:
    """The traceback, with those of the exceptions that led to it: its last 1,900 characters."""
    kind = type(error)
    if form == "type":
        frames = "".join(
            f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n'
            for frame in traceback.extract_tb(error.__traceback__, limit)
        )
        return shorten(redact(frames[-MAX_READ:])[-MAX_STACK:], MAX_STACK)
    stack = "".join(traceback.format_exception(kind, error, error.__traceback__, limit=limit))
    return shorten(stack_text(stack, error, form)[-MAX_STACK:], MAX_STACK)


def stack_text(stack: str, error: BaseException | None, form: Exceptions) -> str:
    """A traceback as text, with the messages of ``error`` as they may be written."""
    if form == "type":
        return "".join(
            line
            for line in stack[-MAX_READ:].splitlines(keepends=True)
            if line.startswith("  File ")
        )
    if form == "masked" and error is not None:
        for one in _chain(error):
            for text in (_text(one), *map(str, getattr(one, "__notes__", ()))):
                clean = masked(text[:MAX_READ])
                if clean != text[:MAX_READ]:
                    stack = _replaced(stack, text, clean)
    # Redacted before it is cut: what makes a value a secret may stand before the cut.
    return redact(stack[-MAX_READ:])


def written(message: str) -> str:
    """A message as the settings in force want it."""
    if in_force == "type":
        return ""
    return masked(message[:MAX_READ]) if in_force == "masked" else message


def written_stack(stack: str, message: str | None) -> str:
    """A traceback, whose exception has this message, as the settings in force want it."""
    if in_force == "masked" and message:
        stack = _replaced(stack, message, masked(message[:MAX_READ]))
    return stack_text(stack, None, in_force)


in_force: Exceptions = "masked"
"""What the settings of this process say."""


def masked(message: str) -> str:
    """``message`` without what may be data."""
    message = _STATEMENT.sub(lambda m: f"{m[1]}{mask_literals(m[2])}{m[3]}", message)
    message = _BOUND.sub(f"[parameters: {MASKED}]", message)
    message = _DETAIL.sub(rf"(\1)=({MASKED})", message)  # PostgreSQL: Key (id)=(4711) exists
    message = _QUOTED.sub(lambda match: _quoted(match, message), message)
    return _LONG_NUMBER.sub(MASKED, message)


def _quoted(match: re.Match[str], message: str) -> str:
    mark = match[0][0]
    inside = match[1] if match[1] is not None else match[2]
    before = message[max(0, match.start() - 80) : match.start()]
    is_name = _NAME.fullmatch(inside) is not None and _DIGITS.search(inside) is None
    if before.endswith("on sql "):
        return match[0]
    if match[0] == message and ("'" in inside or '"' in inside):  # a KeyError shows a repr
        return f"{mark}{masked(inside)}{mark}"
    if is_name and (_OF_A_VALUE.search(before) is None or inside in _TYPES):
        return match[0]
    return f"{mark}{MASKED}{mark}"


_TYPES: Final = frozenset(
    "utf-8 utf8 ascii latin-1 cp1252 "
    "str int float bool bytes list dict tuple set None NoneType object".split()
)


def _message(error: BaseException, form: Exceptions) -> str:
    if form == "type":
        return ""
    text = _text(error)[:MAX_READ]
    return redact(masked(text) if form == "masked" else text)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as fault:  # a user's exception whose __str__ raises
        if faults.is_of_the_program(fault):
            raise
        return f"<{type(error).__qualname__} whose text cannot be shown>"


def _replaced(stack: str, text: str, clean: str) -> str:
    if text in stack:
        return stack.replace(text, clean)
    for line in text.splitlines():  # indented, as in a group of exceptions
        if len(line) > 3:
            stack = stack.replace(line, masked(line))
    return stack


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < MAX_CHAIN:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        group = getattr(one, "exceptions", ())
        more = (one.__cause__, one.__context__, *(group if isinstance(group, tuple) else ()))
        waiting += [other for other in more if isinstance(other, BaseException)]
