"""What of a parameter is written down: shortened, and without secrets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otelprov.model import ParameterValue

REDACTED = "[REDACTED]"
ELLIPSIS = "…"
MAX_LISTED = 64
"""Elements of a bare array that are shown as a list of values."""

# Backends cut or drop long values: Tempo cuts at 2,048 bytes (3.0), Badger drops a span with an
# attribute over 65,000 (Jaeger 1.76).
MAX_VALUE_BYTES = 2000


@lru_cache(maxsize=1)
def _secret_name() -> re.Pattern[str]:
    # Compiled when a name or a text asks for it: at the start of a program mostly none does, and
    # all of these patterns take 5 ms.
    return re.compile(
        r"passw(or)?d|passphrase|^pwd$|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
        r"|account[_-]?key|credential|^authorization$|^auth$|cookie|conn(ection)?[_-]?str",
        re.IGNORECASE,
    )


@lru_cache(maxsize=1)
def _secret_text() -> tuple[tuple[re.Pattern[str], str], ...]:
    return (
        # user:password@ or token@ in any URL
        (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/@\s'\"]+@", re.IGNORECASE), rf"\1{REDACTED}@"),
        (
            re.compile(
                r"((?:\b|[-_?&;])(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key"
                r"|access[_-]?key|account[_-]?key|sharedaccesskey|sig|signature|access_token"
                r"|client[_-]secret|credential|x-amz-(?:signature|credential|security-token))"
                r"\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^&;,\s'\"]+)",
                re.IGNORECASE,
            ),
            rf"\1{REDACTED}",
        ),
        (
            re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
            rf"\1 {REDACTED}",
        ),
        (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), REDACTED),
        (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}"), REDACTED),
        (re.compile(r"\bgithub_pat_[A-Za-z0-9_]{20,}"), REDACTED),
        (re.compile(r"\bglpat-[A-Za-z0-9_-]{16,}"), REDACTED),
        (re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"), REDACTED),
        (re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"), REDACTED),
        (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), REDACTED),
        (
            re.compile(
                r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)", re.DOTALL
            ),
            REDACTED,
        ),
    )


# Most texts hold none of these, and then none of the patterns above can match.
_MAY_HOLD_SECRET = re.compile(
    r"[@=:]|bearer|basic|AKIA|ASIA|gh[pousr]_|github_pat|glpat-|xox|sk-|eyJ|-----BEGIN",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a parameter of this name holds a secret."""
    return len(name) > 2 and _secret_name().search(name) is not None


def redact(text: str) -> str:
    """``text`` with everything that looks like a secret replaced."""
    if _MAY_HOLD_SECRET.search(text) is None:
        return text
    for pattern, replacement in _secret_text():
        text = pattern.sub(replacement, text)
    return text


def redact_command(arguments: list[str]) -> list[str]:
    """A command line with the values of secret options replaced."""
    result: list[str] = []
    secret_follows = False
    for argument in arguments:
        if secret_follows and not argument.startswith("-"):
            result.append(REDACTED)
            secret_follows = False
            continue
        name, equals, _ = argument.lstrip("-").partition("=")
        is_option = argument.startswith("-")
        secret_follows = is_option and not equals and is_secret_name(name)
        if is_option and equals and is_secret_name(name):
            result.append(argument[: argument.index("=") + 1] + REDACTED)
        else:
            result.append(shorten(redact(argument), 512))
    return result


def shorten(text: str, length: int, whole: int | None = None) -> str:
    """At most ``length`` characters and 2,000 bytes; says how much of ``whole`` was cut."""
    whole = max(len(text), whole or 0)
    if whole > length:
        text = f"{text[:length]}{ELLIPSIS} (+{whole - length} characters)"
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > MAX_VALUE_BYTES:
        text = data[: MAX_VALUE_BYTES - 4].decode("utf-8", "ignore") + ELLIPSIS
    return text


def parameter_value(name: str, value: object, length: int) -> ParameterValue:
    """What is written down of one parameter.

    Booleans, integers of 64 bits, floats and strings stay what they are; anything else becomes
    text. The ``repr`` of unknown objects is never called: it may be slow, huge or have effects.
    """
    if value is None:
        return "None"
    if is_secret_name(name):
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
        return shorten(redact(value[: 4 * length]), length, len(value))
    return shorten(redact(_text(value, length - 12, 0)), length)


def _text(value: object, budget: int, depth: int) -> str:
    if isinstance(value, str):
        return repr(value[: 4 * budget])
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
    for index, item in enumerate(value.items() if is_mapping else value):
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
}


_ARRAYS = {("numpy", "ndarray"), ("pandas", "Index"), ("pandas", "ExtensionArray")}


def _foreign(value: object, depth: int) -> str:
    kind = type(value)
    root = kind.__module__.partition(".")[0]
    if root == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return _text(value.item(), MAX_VALUE_BYTES, depth + 1)
    if root == "pandas" and kind.__name__ == "_NoDefault":
        return "<no default>"
    if any((root, base.__name__) in _READABLE for base in kind.__mro__) or (
        root in ("numpy", "pandas", "pyarrow") and kind.__name__.endswith(("DType", "Dtype"))
    ):
        return " ".join(str(value).split())
    if any((root, base.__name__) in _ARRAYS for base in kind.__mro__):
        if value.size <= MAX_LISTED:  # type: ignore[attr-defined]
            return _text(value.tolist(), MAX_VALUE_BYTES, depth + 1)  # type: ignore[attr-defined]
        return f"<{kind.__name__} of {value.size}>"  # type: ignore[attr-defined]
    if isinstance(value, Mapping):
        return f"<{_qualified(kind)} of {len(value)}>"
    return f"<{_qualified(kind)}>"
