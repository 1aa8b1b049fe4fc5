"""Every setting of otelprov, read in one place.

A bad value never stops the user's program: it is reported once on stderr and the default is used.
The command line reads the same settings with ``strict`` and turns a bad value into exit code 2.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar, cast

from otelprov import rules
from otelprov.memory_limit import memory_limit
from otelprov.rules import Rule

RUN = "OTELPROV_RUN"
"""No setting: a recorded process says in it, for its workers and for a program that replaces it,
which run it is and which process."""

POLICY = "OTELPROV_POLICY"

Tier = Literal["essential", "full"]
Durability = Literal["os", "fsync"]
Exceptions = Literal["full", "masked", "type"]
T = TypeVar("T")


class SettingError(ValueError):
    """A setting has a value that it cannot have; the message says which and what is expected."""


class Setting(NamedTuple):
    """What a variable means, for ``doctor`` and the documentation."""

    name: str
    default: str
    brief: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "OTELPROV_JOURNAL",
        "the user's state directory",
        "Directory of the journal; 'off' keeps none.",
    ),
    Setting(
        "OTELPROV_JOURNAL_SEGMENT",
        "16MiB",
        "Size at which a process begins its next file of the journal.",
    ),
    Setting(
        "OTELPROV_JOURNAL_LIMIT",
        "10GiB",
        "Size of the whole journal; over it the oldest files are deleted, which is written down. "
        "'off' keeps everything.",
    ),
    Setting(
        "OTELPROV_DURABILITY",
        "os",
        "When a line of the journal counts as written: 'os' when the kernel has it (it survives "
        "the process), 'fsync' when the disk has it (it survives the machine).",
    ),
    Setting(
        "OTELPROV_TIER",
        "essential",
        "How much is recorded: 'essential' digests what is read and written, 'full' everything.",
    ),
    Setting(
        "OTELPROV_CARRIER",
        "on",
        "Whether written files carry their id and trace (Parquet and Arrow metadata, extended "
        "attributes): 'on' or 'off'.",
    ),
    Setting(
        "OTELPROV_OBJECT_METADATA",
        "off",
        "Whether objects that boto3 puts into S3 carry their id and trace in their metadata "
        "(x-amz-meta-…), which others see, too: 'on' or 'off'.",
    ),
    Setting(
        "OTELPROV_SQL_COMMENT",
        "off",
        "Whether statements carry their traceparent to the database server in a comment at their "
        "end, as sqlcommenter does: 'on' or 'off'.",
    ),
    Setting(
        "OTELPROV_RECORD_OPEN",
        "off",
        "Whether files that the program itself opens with open() are recorded: 'on' or 'off'.",
    ),
    Setting(
        "OTELPROV_DIGEST_LIMIT",
        "8GiB",
        "Bytes digested for one operation, such as '500MB' or '4GiB', or 'off' for no limit; what "
        "is larger is known by footers, size and time.",
    ),
    Setting(
        "OTELPROV_DIGEST_QUEUE",
        "an eighth of the memory, 4GiB at most",
        "Bytes of data that may wait to be digested while the program goes on; what is over it, "
        "and with 'off' everything, is digested before the call returns.",
    ),
    Setting(
        "OTELPROV_REPEATS",
        "1000",
        "Calls of one operation from one line of the program that make a span each; more are "
        "summed up. 'off' for no limit.",
    ),
    Setting(
        "OTELPROV_TRACE_LIMIT",
        "4MB",
        "Bytes that a process writes into one trace before it goes on in another, which is linked; "
        "'off' for no limit.",
    ),
    Setting(
        "OTELPROV_PARAMETER_LENGTH",
        "512",
        "Characters kept of one parameter's value (16 to 2000).",
    ),
    Setting(
        "OTELPROV_CODE_REVISION",
        "from git or CI",
        "Code version where there is no git: a value written at build time.",
    ),
    Setting("OTELPROV_CODE_BRANCH", "from git or CI", "Branch that goes with it."),
    Setting("OTELPROV_CODE_REPOSITORY", "from git or CI", "Repository that goes with it."),
    Setting(
        "OTELPROV_EXIT_TIMEOUT",
        "2",
        "Seconds, in all, that the exit of a program may be delayed by what is still to be "
        "delivered; 0 for not at all.",
    ),
    Setting(
        "OTELPROV_EVENTS",
        "off",
        "Whether each finished operation is an event in the logs, too: 'on' or 'off'. Events go "
        "where OTEL_LOGS_EXPORTER says.",
    ),
    Setting(
        "OTELPROV_EXCEPTIONS",
        "masked",
        "What is kept of an exception: 'masked' leaves out of its message what may be data, 'full' "
        "leaves out secrets only, 'type' keeps the class and the place and no text.",
    ),
    Setting(
        "OTELPROV_POLICY",
        "pyproject.toml of the program",
        "A TOML file with settings and rules, see policy.md; 'off' for none.",
    ),
    Setting(
        "OTELPROV_RAISE_FAULTS",
        "off",
        "For tests: 'on' raises otelprov's own faults instead of passing them by.",
    ),
)


class Settings(NamedTuple):
    """The settings in force."""

    journal: Path | None
    journal_segment: int = 16 << 20
    """Bytes."""
    journal_limit: int | None = 10 << 30
    """Bytes; None for no limit."""
    durability: Durability = "os"
    tier: Tier = "essential"
    carrier: bool = True
    object_metadata: bool = False
    sql_comment: bool = False
    record_open: bool = False
    digest_limit: int | None = 8 << 30
    """Bytes of one operation; None for no limit."""
    digest_queue: int | None = 1 << 30
    """Bytes; None to put nothing off."""
    repeats: int | None = 1000
    """Calls; None for no limit."""
    trace_limit: int | None = 4_000_000
    """Bytes; None for no limit."""
    parameter_length: int = 512
    exit_timeout: float = 2.0
    """Seconds."""
    events: bool = False
    exceptions: Exceptions = "masked"
    policy: Path | None = None
    """The file that the rules are from."""
    rules: tuple[Rule, ...] = ()
    hash_key: bytes | None = None
    """A secret: not part of the ``repr``."""
    raise_faults: bool = False
    code_revision: str | None = None
    code_branch: str | None = None
    code_repository: str | None = None
    problems: tuple[str, ...] = ()
    """One line for each value that was not understood."""
    policy_problems: tuple[str, ...] = ()
    """One line for each part of the policy file that was not understood."""

    def __repr__(self) -> str:
        shown = (
            f"{name}={value!r}" for name, value in self._asdict().items() if name != "hash_key"
        )
        return f"Settings({', '.join(shown)})"


def default_journal(environ: Mapping[str, str] = os.environ) -> Path:
    """The journal's directory when no setting names one (XDG Base Directory Specification)."""
    state = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # the specification: relative paths are to be ignored
        state = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".local", "state")
    return Path(state) / "otelprov" / "journal"


def load(
    environ: Mapping[str, str] = os.environ, *, strict: bool = False, directory: str | None = None
) -> Settings:
    """Read the settings: those of the environment, and of the policy file what it does not set.

    The file is looked for from ``directory`` upwards, that of the program when it is None.

    Raises:
        SettingError: only with ``strict``, for the first value that is not understood.
    """
    policy = _policy(environ, directory)
    problems: list[str] = []
    if policy is not None:
        if strict and policy.problems:
            raise SettingError(policy.problems[0])
        environ = {**policy.settings, **{name: text for name, text in environ.items() if text}}

    def get(name: str, parse: Callable[[str], T], default: T) -> T:
        text = environ.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            message = f"{name} is {text!r}; {error}"
            if strict:
                raise SettingError(message) from None
            problems.append(message)
            return default

    default: Path | None = default_journal(environ)
    journal = get("OTELPROV_JOURNAL", _journal, default)
    default_limit: int | None = 8 << 30
    default_queue: int | None = min((memory_limit() or 8 << 30) // 8, 4 << 30)
    default_size: int | None = 10 << 30
    default_repeats: int | None = 1000
    default_trace: int | None = 4_000_000
    return Settings(
        journal=journal,
        journal_segment=get("OTELPROV_JOURNAL_SEGMENT", _segment, 16 << 20),
        journal_limit=get("OTELPROV_JOURNAL_LIMIT", _limit, default_size),
        durability=get("OTELPROV_DURABILITY", _durability, "os"),
        tier=get("OTELPROV_TIER", _tier, "essential"),
        carrier=get("OTELPROV_CARRIER", _switch, True),
        object_metadata=get("OTELPROV_OBJECT_METADATA", _switch, False),
        sql_comment=get("OTELPROV_SQL_COMMENT", _switch, False),
        record_open=get("OTELPROV_RECORD_OPEN", _switch, False),
        digest_limit=get("OTELPROV_DIGEST_LIMIT", _limit, default_limit),
        digest_queue=get("OTELPROV_DIGEST_QUEUE", _limit, default_queue),
        repeats=get("OTELPROV_REPEATS", _repeats, default_repeats),
        trace_limit=get("OTELPROV_TRACE_LIMIT", _limit, default_trace),
        parameter_length=get("OTELPROV_PARAMETER_LENGTH", _length, 512),
        exit_timeout=get("OTELPROV_EXIT_TIMEOUT", _seconds, 2.0),
        events=get("OTELPROV_EVENTS", _switch, False),
        exceptions=get("OTELPROV_EXCEPTIONS", _exceptions, "masked"),
        policy=policy.path if policy is not None else None,
        rules=policy.rules if policy is not None else (),
        hash_key=policy.key if policy is not None else None,
        policy_problems=policy.problems if policy is not None else (),
        raise_faults=get("OTELPROV_RAISE_FAULTS", _switch, False),
        code_revision=environ.get("OTELPROV_CODE_REVISION") or None,
        code_branch=environ.get("OTELPROV_CODE_BRANCH") or None,
        code_repository=environ.get("OTELPROV_CODE_REPOSITORY") or None,
        problems=tuple(problems),
    )


def _policy(environ: Mapping[str, str], directory: str | None) -> rules.PolicyFile | None:
    named = environ.get("OTELPROV_POLICY", "").strip()
    if named.lower() == "off":
        return None
    if named:
        path: Path | None = Path(os.path.abspath(os.path.expanduser(named)))
    elif environ is os.environ or directory is not None:
        try:
            path = rules.find(rules.program_directory() if directory is None else directory)
        except OSError:  # the working directory is gone
            path = None
    else:
        path = None  # settings that are given, and no program's
    return None if path is None else rules.read(path, _IN_A_FILE, environ)


def origin(name: str, settings: Settings, environ: Mapping[str, str] = os.environ) -> str | None:
    """The text that the policy file gives a variable; None where the environment has it."""
    if settings.policy is None or environ.get(name, "").strip():
        return None
    return rules.read(settings.policy, _IN_A_FILE, environ).settings.get(name)


def report(settings: Settings) -> None:
    """Say on stderr, in one line, which settings were not understood; one line for the policy."""
    if settings.policy_problems:
        print(f"otelprov: {'; '.join(settings.policy_problems)}; the rest applies", file=sys.stderr)
    if settings.problems:
        print(f"otelprov: {'; '.join(settings.problems)}; using the default", file=sys.stderr)


def _journal(text: str) -> Path | None:
    if text.lower() == "off":
        return None
    return Path(os.path.abspath(os.path.expanduser(text)))


def _tier(text: str) -> Tier:
    if text not in ("essential", "full"):
        raise ValueError("expected 'essential' or 'full'")
    return cast(Tier, text)


def _durability(text: str) -> Durability:
    if text not in ("os", "fsync"):
        raise ValueError("expected 'os' or 'fsync'")
    return cast(Durability, text)


def _exceptions(text: str) -> Exceptions:
    if text not in ("full", "masked", "type"):
        raise ValueError("expected 'full', 'masked' or 'type'")
    return cast(Exceptions, text)


_IN_A_FILE = frozenset(one.name for one in SETTINGS) - {"OTELPROV_POLICY"}


def _segment(text: str) -> int:
    value = _bytes(text)
    if value < 1 << 12:
        raise ValueError("expected 4KiB or more")
    return value


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError("expected 'on' or 'off'")
    return text.lower() == "on"


_UNITS = {
    "": 1, "B": 1,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
}  # fmt: skip


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text)
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError("expected a size such as '512MiB', '2GB' or '1000000'")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 3600:
        raise ValueError("expected a number of seconds from 0 to 3600")
    return value


def _length(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 16 <= value <= 2000:
        raise ValueError("expected a whole number from 16 to 2000")
    return value


def _repeats(text: str) -> int | None:
    if text.lower() == "off":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("expected a whole number from 1 on, or 'off'")
    return int(text)


def _limit(text: str) -> int | None:
    if text.lower() == "off":
        return None
    try:
        return _bytes(text)
    except ValueError as error:
        raise ValueError(f"{error}, or 'off'") from None
