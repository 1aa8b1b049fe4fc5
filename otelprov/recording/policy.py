"""What of a parameter is written down: shortened, and without secrets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from otelprov.redaction import REDACTED, is_secret_name, redact, redact_command
from otelprov.statements import is_statement, later, mask_literals

if TYPE_CHECKING:
    from otelprov.model import ParameterValue

ELLIPSIS = "…"
MAX_LISTED = 64
"""Elements of a bare array that are shown as a list of values."""

# Backends cut or drop long values: Tempo cuts at 2,048 bytes (3.0), Badger drops a span with an
# attribute over 65,000 (Jaeger 1.76).
MAX_VALUE_BYTES = 2000


def shorten(text: str, length: int, whole: int | None = None) -> str:
    """At most ``length`` characters and 2,000 bytes; says how much of ``whole`` was cut."""
    whole = max(len(text), whole or 0)
    if whole > length:
        text = f"{text[:length]}{ELLIPSIS} (+{whole - length} characters)"
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > MAX_VALUE_BYTES:
        text = data[: MAX_VALUE_BYTES - 4].decode("utf-8", "ignore") + ELLIPSIS
    return text


_QUOTED = later(r'"(?:[^"\\]|\\.)*"')
_TYPED = later(r"\bString\([^()]*\)")  # a text as Polars 1.0 wrote it
# What stands before the name of a column, and before a list of names, in a plan of Polars.
_BEFORE_NAME = later(r"\b(?:col|alias|field_by_name|prefix|suffix)\($")
_BEFORE_NAMES = later(r"(?:\bDF|\bPROJECT|\d+/\d+|\bBY|\bON:?|\bindex:|\bon:|\bUNIQUE)\s*$")
_LONGEST = 256
"""Characters of a list before a name of it."""


def plan_text(plan: str) -> str:
    """What is written down of the plan of a query: names stay, other texts in it are data."""
    text = plan[: 4 * MAX_VALUE_BYTES]

    def shown(match: re.Match[str]) -> str:
        at = match.start()
        first = max(0, at - _LONGEST)
        is_name = _BEFORE_NAME.search(text, max(0, at - 16), at)
        if not is_name:
            opened, *others = (text.rfind(mark, first, at) for mark in "[]()")
            if opened > max(others):
                is_name = _BEFORE_NAMES.search(text, max(0, opened - 16), opened)
        return match[0] if is_name else '"?"'

    text = _TYPED.sub("String(?)", _QUOTED.sub(shown, text))
    return shorten(redact(text), MAX_VALUE_BYTES - 64, len(plan))


def parameter_value(name: str, value: object, length: int) -> ParameterValue:
    """What is written down of one parameter.

    Booleans, integers of 64 bits, floats and strings stay what they are; anything else becomes
    text. The ``repr`` of unknown objects is never called: it may be slow, huge or have effects.
    """
    if value is None:
        return "None"
    if is_secret_name(name) and not (name.lower().endswith("tokens") and type(value) is int):
        return REDACTED
    if isinstance(value, bool):
        return value
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if type(value) is float:
        return value
    if isinstance(value, str):
        # Cut before the patterns run: a value of many megabytes must cost nothing. What is kept
        # is longer than what is shown, so that a secret at the edge is recognised.
        text = value[: 4 * length]
        if name == "sql" or is_statement(text):
            text = mask_literals(text)
        return shorten(redact(text), length, len(value))
    return shorten(redact(_text(value, length - 12, 0)), length)


def _text(value: object, budget: int, depth: int) -> str:
    if isinstance(value, str):
        text = value[: 4 * budget]
        return repr(mask_literals(text) if is_statement(text) else text)
    if value is None or isinstance(value, (bool, float, complex)):
        return repr(value)
    if isinstance(value, int):
        return repr(int(value)) if value.bit_length() < 4096 else "<int>"
    if isinstance(value, Enum) and type(value).__name__ != "_NoDefault":
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, PurePath):
        return str(value) if not depth else repr(str(value))
    if isinstance(value, (datetime, date, time, timedelta)) or _has_short_text(value):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{type(value).__name__} of {len(value)} bytes>"
    if isinstance(value, type):
        return _qualified(value)
    if isinstance(value, (FunctionType, BuiltinFunctionType, MethodType)):
        return _function(value)
    if isinstance(value, slice):
        parts = (_text(part, budget, depth + 1) for part in (value.start, value.stop, value.step))
        return f"slice({', '.join(parts)})"
    if isinstance(value, (list, tuple, set, frozenset, dict)):
        return _container(value, budget, depth)
    return _foreign(value, depth)


def _has_short_text(value: object) -> bool:
    """Whether it is a decimal or a UUID; of a module that is not loaded nothing is."""
    decimal, uuid = sys.modules.get("decimal"), sys.modules.get("uuid")
    return (decimal is not None and isinstance(value, decimal.Decimal)) or (
        uuid is not None and isinstance(value, uuid.UUID)
    )


def _container(value: Any, budget: int, depth: int) -> str:
    kind = type(value).__name__
    if depth >= 4:
        return f"<{kind} of {len(value)}>"
    parts: list[str] = []
    used = 0
    is_mapping = isinstance(value, dict)
    items = value.items() if is_mapping else value
    if not is_mapping and isinstance(value, (list, tuple)):
        items = _without_secrets(value, depth)
    for index, item in enumerate(items):
        text = _pair(item, budget, depth) if is_mapping else _text(item, budget, depth + 1)
        if parts and used + len(text) > budget - 16:
            parts.append(f"{ELLIPSIS} {len(value) - index} more")
            break
        parts.append(text)
        used += len(text) + 2
    inner = ", ".join(parts)
    if isinstance(value, dict):
        return f"{{{inner}}}"
    if isinstance(value, tuple):
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, (set, frozenset)):
        return f"{{{inner}}}" if value else f"{kind}()"
    return f"[{inner}]"


def _without_secrets(value: Sequence[object], depth: int) -> Iterable[object]:
    """The items of a list: a command line, or a pair of a name and a value, in a list of these."""
    if len(value) == 2 and depth and type(value) is tuple and type(value[0]) is str:
        return (value[0], REDACTED) if is_secret_name(value[0]) else value
    if any(type(item) is str and item[:1] == "-" for item in value[:MAX_LISTED]):
        words = [item if type(item) is str else "" for item in value[:MAX_LISTED]]
        shown = redact_command(words)
        return [
            clean if type(item) is str else item for clean, item in zip(shown, value, strict=False)
        ] + list(value[MAX_LISTED:])
    return value


def bound_values(value: object) -> str | None:
    """How many values are bound to a statement, or their names: they are data."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: ?" for key in list(value)[:MAX_LISTED]) + "}"
    if isinstance(value, (list, tuple)):
        return f"<{len(value)} values>"
    return None if value is None else "?"


def _pair(item: tuple[object, object], budget: int, depth: int) -> str:
    key, value = item
    if isinstance(key, str) and is_secret_name(key):
        return f"{_text(key, budget, depth + 1)}: '{REDACTED}'"
    return f"{_text(key, budget, depth + 1)}: {_text(value, budget, depth + 1)}"


def _function(value: Any) -> str:
    name = _qualified(value)
    code = getattr(value, "__code__", None)
    if code is not None and "<lambda>" in name:
        return f"{name} ({os.path.basename(code.co_filename)}:{code.co_firstlineno})"
    return name


def _qualified(value: Any) -> str:
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "?")
    return f"{module}.{name}" if module and module not in ("builtins", "__main__") else str(name)


# Types of other libraries whose text is short, harmless and worth reading.
_READABLE = {
    ("pandas", "Timestamp"),
    ("pandas", "Timedelta"),
    ("pandas", "Period"),
    ("pandas", "Interval"),
    ("pandas", "Grouper"),
    ("pandas", "Expression"),
    ("pandas", "NaTType"),
    ("pandas", "NAType"),
    ("pandas", "CategoricalDtype"),
    ("pandas", "DatetimeTZDtype"),
    ("pandas", "StringDtype"),
    ("numpy", "dtype"),
    ("pyarrow", "Schema"),
    ("pyarrow", "DataType"),
    ("pyarrow", "Expression"),
    ("polars", "DataType"),
    ("polars", "Expr"),
}


_ARRAYS = {("numpy", "ndarray"), ("pandas", "Index"), ("pandas", "ExtensionArray")}


def _has_extension_types() -> bool:
    """Whether the program defines extension types of Arrow: the text of a schema asks their code,
    and pyarrow ends the process where that fails (26.0)."""
    base = getattr(sys.modules.get("pyarrow"), "ExtensionType", None)
    return base is not None and any(
        one.__module__.partition(".")[0] not in ("pandas", "pyarrow")
        for one in type.__subclasses__(base)
    )


def _foreign(value: object, depth: int) -> str:
    kind = type(value)
    root = kind.__module__.partition(".")[0]
    if root == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return _text(value.item(), MAX_VALUE_BYTES, depth + 1)
    if root == "pandas" and kind.__name__ == "_NoDefault":
        return "<no default>"
    if root == "pandas" and kind.__name__ == "NamedAgg":  # a tuple until pandas 3
        pair = value.column, value.aggfunc  # type: ignore[attr-defined]
        return _container(pair, MAX_VALUE_BYTES, depth)
    if any((root, base.__name__) in _READABLE for base in kind.__mro__) or (
        root in ("numpy", "pandas", "pyarrow") and kind.__name__.endswith(("DType", "Dtype"))
    ):
        if root == "pyarrow" and _has_extension_types():
            return f"<{_qualified(kind)}>"
        return " ".join(str(value).split())
    if any((root, base.__name__) in _ARRAYS for base in kind.__mro__):
        if value.size <= MAX_LISTED:  # type: ignore[attr-defined]
            return _text(value.tolist(), MAX_VALUE_BYTES, depth + 1)  # type: ignore[attr-defined]
        return f"<{kind.__name__} of {value.size}>"  # type: ignore[attr-defined]
    if isinstance(value, Mapping):
        return f"<{_qualified(kind)} of {len(value)}>"
    return f"<{_qualified(kind)}>"
