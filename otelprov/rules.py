"""The policy file: where it is, its settings, and its rules.

``[tool.otelprov]`` in the ``pyproject.toml`` next to the program or above it, or the TOML file
that ``OTELPROV_POLICY`` names. It is read once, and a TOML parser is loaded
only for a file that has something to say.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

NAME: Final = "pyproject.toml"
MARK: Final = b"tool.otelprov"
MAX_BYTES: Final = 1 << 20
"""Size of a file that is read."""
MIN_KEY: Final = 16
"""Bytes of a key; what has fewer can be guessed."""
_MATCHES: Final = ("operation", "artifact", "parameter")
_SWITCHES: Final = ("drop", "mask", "hash", "sensitive", "exclude")

Pattern = re.Pattern[str]


class RuleError(ValueError):
    """A rule, or the file that it is in, is not understood; the message says what and why."""


# No dataclasses: this module is loaded at the start of every program, and each takes a millisecond.


class Rule(NamedTuple):
    """What holds for the operations, artifacts and parameters that it matches: all it names."""

    text: str
    """As it is shown: ``parameter = "customer_*": hash``."""
    operation: Pattern | None = None
    artifact: Pattern | None = None
    parameter: Pattern | None = None
    tier: Literal["essential", "full"] | None = None
    drop: bool = False
    mask: bool = False
    hash: bool = False
    sensitive: bool = False
    exclude: bool = False

    @property
    def hides(self) -> bool:
        """Whether something is not to be seen as it is."""
        return self.drop or self.mask or self.hash

    def __repr__(self) -> str:
        return f"<rule {self.text}>"


class PolicyFile(NamedTuple):
    """What the file says."""

    path: Path
    settings: Mapping[str, str]
    """By the names of the variables, as texts."""
    rules: tuple[Rule, ...] = ()
    key: bytes | None = None
    """What values are hashed with."""
    problems: tuple[str, ...] = ()


def program_directory() -> str:
    """Where the code of this process's program is: the script's directory, else the working one."""
    script = sys.argv[0] if sys.argv else ""
    if script in ("", "-c", "-m"):
        return os.getcwd()
    directory = os.path.dirname(os.path.abspath(script))
    # A command installed as an entry point lies in bin/, which says nothing about the code.
    if os.path.basename(directory) in ("bin", "Scripts") and not script.endswith(".py"):
        return os.getcwd()
    return directory


def find(directory: str) -> Path | None:
    """The nearest ``pyproject.toml`` with a table for us, in ``directory`` or above it."""
    place = os.path.abspath(directory)
    while True:
        path = os.path.join(place, NAME)
        try:
            with open(path, "rb") as file:
                if MARK in file.read(MAX_BYTES):
                    return Path(path)
        except OSError:
            pass
        above = os.path.dirname(place)
        if above == place:
            return None
        place = above


def read(path: Path, names: frozenset[str], environ: Mapping[str, str]) -> PolicyFile:
    """What a file says; ``names`` are the settings that it can have. Raises nothing."""
    try:
        with open(path, "rb") as file:
            content = _content(path, file.read(MAX_BYTES), names)
    except OSError as error:
        return PolicyFile(path, {}, problems=(f"{path}: {error.strerror or error}",))
    key, problems = None, list(content.problems)
    masked = "; what is to be hashed is masked"
    if content.key_place is not None:
        try:
            key = _key(*content.key_place, path, environ)
        except RuleError as error:
            problems.append(f"{path}: {error}{masked}")
    elif any(rule.hash for rule in content.rules):
        wanted = "neither hash_key_variable nor hash_key_file is there"
        problems.append(f"{path}: a rule says hash, and {wanted}{masked}")
    return PolicyFile(path, content.settings, content.rules, key, tuple(problems))


class _Content(NamedTuple):
    settings: Mapping[str, str]
    rules: tuple[Rule, ...] = ()
    key_place: tuple[str, object] | None = None
    problems: tuple[str, ...] = ()


@lru_cache(maxsize=8)
def _content(path: Path, data: bytes, names: frozenset[str]) -> _Content:
    problems: list[str] = []
    try:
        table = _table(path, data)
    except RuleError as error:
        return _Content({}, problems=(str(error),))
    settings: dict[str, str] = {}
    rules: list[Rule] = []
    key_place: tuple[str, object] | None = None
    for name, value in table.items():
        variable = f"OTELPROV_{name.upper()}"
        if name == "rules":
            rules = list(_rules(value, path, problems))
        elif name in ("hash_key_variable", "hash_key_file"):
            key_place = (name, value)
        elif variable in names and not isinstance(value, (dict, list)):
            settings[variable] = _as_text(value)
        else:
            problems.append(f"{path}: {name!r} is no setting")
    return _Content(settings, tuple(rules), key_place, tuple(problems))


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _table(path: Path, data: bytes) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are
        raise RuleError(f"{path}: {error}") from None
    tool = document.get("tool")
    table = tool.get("otelprov") if isinstance(tool, dict) else None
    if table is None:
        table = {} if path.name == NAME else document
    if not isinstance(table, dict):
        raise RuleError(f"{path}: [tool.otelprov] is no table")
    return table


def _key(name: str, value: object, path: Path, environ: Mapping[str, str]) -> bytes:
    if not isinstance(value, str):
        raise RuleError(f"{name} is {value!r}; expected a text")
    if name == "hash_key_variable":
        key = environ.get(value, "").encode("utf-8", "surrogateescape")
        place = f"the variable {value}"
    else:
        place = os.path.join(path.parent, os.path.expanduser(value))
        try:
            key = Path(place).read_bytes().strip()
        except OSError as error:
            raise RuleError(f"{name}: {place}: {error.strerror or error}") from None
    if len(key) < MIN_KEY:
        raise RuleError(f"{name}: {place} holds {len(key)} bytes; expected {MIN_KEY} or more")
    return key


def _rules(value: object, path: Path, problems: list[str]) -> Iterator[Rule]:
    if not isinstance(value, list):
        problems.append(f"{path}: 'rules' is no list of tables")
        return
    for number, table in enumerate(value, 1):
        try:
            yield rule(table)
        except RuleError as error:
            problems.append(f"{path}: rule {number}: {error}")


def rule(table: object) -> Rule:
    """One rule.

    Raises:
        RuleError: for what is not understood.
    """
    if not isinstance(table, dict):
        raise RuleError(f"{table!r} is no table")
    unknown = [name for name in table if name not in (*_MATCHES, *_SWITCHES, "tier")]
    if unknown:
        raise RuleError(f"{unknown[0]!r} is neither a match nor an action")
    patterns: dict[str, Pattern] = {}
    for name in _MATCHES:
        text = table.get(name)
        if text is None:
            continue
        if not isinstance(text, str) or not text:
            raise RuleError(f"{name} is {text!r}; expected a pattern such as 'pandas.read_*'")
        patterns[name] = _compiled(text)
    actions: dict[str, bool] = {}
    for name in _SWITCHES:
        switch = table.get(name, False)
        if not isinstance(switch, bool):
            raise RuleError(f"{name} is {switch!r}; expected true or false")
        actions[name] = switch
    tier = table.get("tier")
    if tier not in (None, "essential", "full"):
        raise RuleError(f"tier is {tier!r}; expected 'essential' or 'full'")
    _check(patterns, actions, tier)
    shown = ", ".join(f"{name} = {table[name]!r}" for name in _MATCHES if name in table)
    said = [name for name, on in actions.items() if on] + ([f"tier {tier}"] if tier else [])
    made: Any = {**patterns, **actions, "tier": tier}
    return Rule(f"{shown}: {', '.join(said)}", **made)


def _check(patterns: Mapping[str, Pattern], actions: Mapping[str, bool], tier: object) -> None:
    if not patterns:
        raise RuleError("it matches nothing: name an operation, an artifact or a parameter")
    if not tier and not any(actions.values()):
        raise RuleError("it does nothing: say tier, drop, mask, hash, sensitive or exclude")
    if actions["exclude"] and set(patterns) != {"operation"}:
        raise RuleError("exclude is for operations alone")
    if actions["drop"] and set(patterns) == {"operation"}:
        raise RuleError("drop is for artifacts and parameters; exclude leaves operations out")
    if tier and "parameter" in patterns:
        raise RuleError("tier is for operations and artifacts")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Pattern:
    return re.compile(translate(pattern))
