"""What a case of the zoo is: values in groups, one content a group, and why they are there.

The zoo is built of the libraries alone, without pytest, so that it can be rebuilt with their oldest
versions: ``python -m zoo`` prints the ids of all that these can make.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otelprov.artifacts import digest_value, identify, identify_path, table_in_file

Groups = Mapping[str, list[Any]]
"""Values by the name of their content: those of one list are one, those of two differ."""


@dataclass(frozen=True)
class Parameter:
    """A Python value in its own right: text is text, and not a file in memory."""

    value: Any


@dataclass(frozen=True)
class Bytes:
    """A file or a directory, by its bytes."""

    path: Path


@dataclass(frozen=True)
class Table:
    """The table in a file."""

    path: Path


@dataclass(frozen=True)
class Case:
    """One exhibit. ``needs`` are the least versions of libraries that can make it."""

    name: str
    why: str
    make: Callable[[], Groups]
    needs: Mapping[str, int] = field(default_factory=dict)
    fools: tuple[str, ...] = ()
    """Other digests that call two of its contents equal."""
    splits: tuple[str, ...] = ()
    """Other digests that call two of one content different."""
    bound_to: str = ""
    """What in these ids another version may change, if something; and why."""

    def buildable(self) -> bool:
        """Whether the versions here are new enough."""
        return all(major(library) >= least for library, least in self.needs.items())


CASES: list[Case] = []


def case(
    *,
    needs: Mapping[str, int] | None = None,
    fools: tuple[str, ...] = (),
    splits: tuple[str, ...] = (),
    bound_to: str = "",
) -> Callable[[Callable[[], Groups]], Callable[[], Groups]]:
    """Make a case of a function: its name is the case's, its first line says why."""

    def register(make: Callable[[], Groups]) -> Callable[[], Groups]:
        assert make.__doc__, make.__name__
        why = " ".join(make.__doc__.split())
        name = make.__name__.replace("_", " ")
        CASES.append(Case(name, why, make, needs or {}, fools, splits, bound_to))
        return make

    return register


def differ(*values: Any) -> dict[str, list[Any]]:
    """A group for each."""
    return {str(i): [value] for i, value in enumerate(values)}


def agree(*values: Any) -> dict[str, list[Any]]:
    """One group."""
    return {"same": list(values)}


def parameters(*values: Any) -> dict[str, list[Any]]:
    """A group for each Python value."""
    return differ(*map(Parameter, values))


def major(library: str) -> int:
    """The first number of a library's version."""
    return int(sys.modules[library].__version__.split(".")[0])


def id_of(value: Any) -> str:
    """The id of an exhibit.

    Raises:
        ValueError: when it has none, with the reason.
    """
    if isinstance(value, Parameter):
        digest = digest_value(value.value)
        if digest is None:
            raise ValueError("no digest")
        return f"object:{digest.hex()}"
    if isinstance(value, Bytes):
        artifact = identify_path(value.path)
    elif isinstance(value, Table):
        found = table_in_file(value.path)
        if found is None:
            raise ValueError("no table in it")
        artifact = found
    else:
        artifact = identify(value)
    if artifact.coverage != "full":
        raise ValueError(str(artifact.reason))
    return artifact.id


_places: list[Path] = []


def place() -> Path:
    """A new directory for a case's files, removed at exit."""
    if not _places:
        _places.append(Path(tempfile.mkdtemp(prefix="otelprov-zoo-")))
        atexit.register(shutil.rmtree, _places[0], ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=_places[0]))
