"""What is known about the objects that are alive: object -> artifact, weakly held.

An object *is* an artifact when a recorded operation generated it. An object that was derived from
such a one by small steps (picking a column, arithmetic, a mask) is no artifact of its own: it
carries its *sources* on, and a digest of the steps (``path``), so that the derivation ids of two
different columns of one table differ.
"""

from __future__ import annotations

import math
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from otelprov._record import record
from otelprov.artifacts.deferred import Pending, Source, pending, resolve, settled
from otelprov.artifacts.derivation import path_of, unequalled
from otelprov.artifacts.identity import identify
from otelprov.artifacts.values import digest_value
from otelprov.model import Artifact

MAX_CONTENTS = 1_000
"""Dicts and lists that are known by their content; the oldest are forgotten first."""
MAX_VALUES = 10_000
"""Values in a list of them that a query gave, of which each is digested."""
MAX_NUMBERS = 10_000
"""Numbers of operations that are known by where they come from, and of small steps and rows as
many; the oldest are forgotten first."""
MAX_HELD_ITEMS = 64
"""Items of a dict or list that is small enough to be kept alive."""
MAX_HELD_TEXT = 200
"""Characters of a text in it."""
_LIGHT = frozenset((type(None), bool, int, float, str))
_VALUES = frozenset(("builtins", "datetime", "decimal", "uuid"))
"""Modules of the classes of values that databases give."""

Parameters = tuple[tuple[str, object], ...]
Taken = tuple[str | None, ...]
"""Names of columns. After a None at the beginning they are as they are there, and nothing was
computed of them."""
Columns = tuple[Taken | None, ...]
WHOLE: Final[Taken] = (None,)
"""All columns of a table, as they are."""


@record
class Identity:
    """The artifacts that an object is or comes from.

    ``path`` is empty when the object is the artifact itself; otherwise it is the digest of the
    steps between, random where a step is not known exactly: never equal by accident.
    ``parameters`` are those of a step that belong to the operation that follows (the keys of a
    ``groupby``, the window of a ``rolling``).
    """

    sources: tuple[Source, ...]
    path: bytes | Pending[bytes] = b""
    parameters: Parameters = ()
    columns: Columns = ()
    """The columns of each of ``sources`` that the object was made of, None where it may be any;
    empty where that holds of all."""

    @property
    def is_table(self) -> bool:
        """Whether it is an artifact, or stands for one: a groupby."""
        return (not self.path and len(self.sources) == 1) or self.columns == (WHOLE,)

    @property
    def is_selection(self) -> bool:
        """Whether it is an artifact, or columns of one as they are there."""
        if not self.path and len(self.sources) == 1:
            return True
        return len(self.columns) == 1 and (self.columns[0] or ("",))[0] is None

    @property
    def selected(self) -> Taken | None:
        """The columns that it is of an artifact; None where it is no selection."""
        if not self.is_selection:
            return None
        return self.columns[0] if self.columns else WHOLE

    @property
    def artifact(self) -> Source | None:
        """The artifact that the object is, or None when it only comes from some."""
        return settled(self.sources[0]) if not self.path and len(self.sources) == 1 else None

    @property
    def pending(self) -> tuple[Pending[Any], ...]:
        """What is not known of it yet."""
        if self.known_origin() is not None:
            return ()  # nearly always
        return pending((*self.sources, self.path))

    def settle(self) -> None:
        """Wait for the digests that are still being taken of it: it may change from now on."""
        for item in self.pending:
            item.result()

    def known_origin(self) -> tuple[tuple[str | None, ...], bytes] | None:
        """``origin_parts``, where all of it is known and simple: nearly always."""
        sources, path = self.sources, self.path
        if type(path) is bytes and len(sources) == 1:
            artifact = settled(sources[0])
            if type(artifact) is Artifact:
                return (None if artifact.coverage == "none" else artifact.id,), path
        return None

    def origin_parts(self) -> tuple[tuple[str | None, ...], bytes]:
        """What a derivation id rests on: the sources and the path of its ``Origin``; waits for what
        is not known yet."""
        simple = self.known_origin()
        if simple is not None:
            return simple
        path = self.path.result() if isinstance(self.path, Pending) else self.path
        known = {}  # two objects may turn out to be one artifact
        for artifact in map(resolve, self.sources):
            known[artifact.id] = None if artifact.coverage == "none" else artifact.id
        return tuple(known.values()), path


class Registry:
    """Live objects by ``id``, each with a weak reference that removes it.

    Not by hash or equality: tables are unhashable and compare element by element. What removes an
    entry is C code: in a function of Python's a signal handler of the program may run, and what it
    raises in a callback is lost, KeyboardInterrupt included. It runs before the ``id`` is free for
    another object, and not at all once the reference was put away for another.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[object], Identity]] = {}
        self._arrived: dict[int, weakref.ref[object]] = {}
        self.ids: Final = (self._entries.keys(), self._arrived.keys())
        """Of objects that something may be known of: for whoever asks in vain most often."""
        self._contents: OrderedDict[tuple[int, str], tuple[Source, object]] = OrderedDict()
        self._holders: set[int] = set()
        self._held: OrderedDict[int, tuple[object, Source, int]] = OrderedDict()
        self._held_bytes = 0
        self._rows: OrderedDict[int, tuple[object, Source]] = OrderedDict()
        self._numbers: dict[int, tuple[object, Identity | None, int]] = {}
        self._of_operations: OrderedDict[int, None] = OrderedDict()
        self._of_steps: OrderedDict[int, None] = OrderedDict()
        self.numbers: Final = self._numbers.keys()
        """The ``id``s of numbers that something may be known of."""

    def __len__(self) -> int:
        return len(self._entries)

    def lookup(self, value: object) -> Identity | None:
        """What is known about ``value``."""
        entry = self._entries.get(id(value))
        if entry is not None and entry[0]() is value:
            return entry[1]
        if self._arrived and id(value) in self._arrived:
            return self._look_at(value)
        return None

    def known(self) -> Iterator[tuple[object, Identity]]:
        """The objects that are alive, and what is known of each."""
        for reference, identity in list(self._entries.values()):
            value = reference()
            if value is not None:
                yield value, identity

    def arrive(self, value: object) -> None:
        """``value`` came from a pickle, maybe of another process: its content says what it is.

        It is digested when it is first asked for; most objects that arrive never are.
        """
        key = id(value)
        self._arrived[key] = weakref.ref(value, partial(self._arrived.pop, key))

    def _look_at(self, value: object) -> Identity | None:
        reference = self._arrived.pop(id(value))
        if reference() is not value:
            return None
        identity = Identity((identify(value),))
        self.assign(value, identity)
        return identity

    def assign(self, value: object, identity: Identity) -> bool:
        """Say what ``value`` is from now on. False when it cannot be held weakly."""
        key = id(value)
        self._arrived.pop(key, None)
        entry = self._entries.get(key)
        if entry is not None and entry[0]() is value:
            self._entries[key] = (entry[0], identity)
            return True
        try:
            reference = weakref.ref(value, partial(self._entries.pop, key))
        except TypeError:  # str, dict, list and other types without __weakref__
            return False
        self._entries[key] = (reference, identity)
        return True

    def forget(self, value: object) -> None:
        """Forget ``value``."""
        self._entries.pop(id(value), None)

    def remember(
        self, artifact: Source, value: object = None, content_id: str | None = None
    ) -> None:
        """Keep an artifact by its content, for what cannot be held weakly.

        ``content_id`` is that of the content where the artifact's own id is another.

        ``value`` is the dict or list that it is: small ones are often equal by chance, so the
        object has to be the same too. None for a table that the caller gets as another object.
        """
        # Once it is freed, the next [1, 2] may well have its address: a small one is kept alive.
        held = value if isinstance(value, (dict, list)) and _is_light(value) else None
        key = (0 if value is None else id(value), content_id or resolve(artifact).id)
        self._contents[key] = (artifact, held)
        self._holders.add(key[0])
        while len(self._contents) > MAX_CONTENTS:
            (holder, _), _ = self._contents.popitem(last=False)
            self._holders.discard(holder)

    def hold(self, values: Iterable[object], artifact: Source, size: int, limit: int) -> None:
        """Dicts and lists that come from ``artifact``: they are kept alive, so that each is known
        again without a digest. In all, ``limit`` bytes of what they were parsed from."""
        for value in values:
            before = self._held.pop(id(value), None)
            self._held_bytes += size - (before[2] if before is not None else 0)
            self._held[id(value)] = (value, artifact, size)
            size = 0  # of all of them
        while self._held and (self._held_bytes > limit or len(self._held) > MAX_CONTENTS):
            self._held_bytes -= self._held.popitem(last=False)[1][2]

    def fetched(self, rows: list[Any] | tuple[Any, ...], artifact: Source) -> None:
        """A list, or a tuple, of rows that come from ``artifact``. It is not kept alive, and known
        again by its place in memory, its length and the content of some of its rows; one of plain
        values, which are often equal by chance, by all of them."""
        sample = _sample(rows)
        if sample is not None:
            self._rows[id(rows)] = (sample, artifact)
            while len(self._rows) > MAX_CONTENTS:
                self._rows.popitem(last=False)
        elif len(rows) <= MAX_VALUES and all(type(one).__module__ in _VALUES for one in rows):
            digest = digest_value(rows)
            if digest is not None:
                self.remember(artifact, rows, f"object:{digest.hex()}")

    def container(self, value: object, digest: bytes | None = None) -> Source | None:
        """The artifact that a dict or list is, if an operation of this process made it.

        ``digest`` is that of the value, where it is at hand. It is taken here only when the object
        is one that may be known.
        """
        found = self.digested(value, digest)
        return None if found is None else found[0]

    def digested(
        self, value: object, digest: bytes | None = None
    ) -> tuple[Source, bytes | None] | None:
        """As ``container``, and the digest of the value if it had to be taken."""
        if self._held and id(value) in self._held:
            return self._held[id(value)][1], digest
        if self._rows and id(value) in self._rows and type(value) in (list, tuple):
            sample, artifact = self._rows[id(value)]
            if sample == _sample(value):
                return artifact, digest
        if id(value) not in self._holders:
            return None
        digest = digest or digest_value(value)
        found = None if digest is None else self.content(f"object:{digest.hex()}", value)
        return None if found is None else (found, digest)

    def found(
        self, number: object, identity: Identity, since: int | None = None, *, by_step: bool = False
    ) -> None:
        """A number (``is_own_number``) comes from there. It is kept alive, and so known again as
        the very object.

        One that comes from two places is a constant of a library's, and nothing is known of it: but
        for what was found after ``since`` (``time.time_ns()``), when a call began that hands it on.
        """
        before = self._numbers.get(id(number))
        if before is not None and since is not None and before[2] >= since:
            return
        if before is not None and before[1] != identity:
            self._numbers[id(number)] = (number, None, before[2])
            return
        key, order = id(number), self._of_steps if by_step else self._of_operations
        if before is None:
            order[key] = None
        self._numbers[key] = (number, identity, time.time_ns())
        while len(order) > MAX_NUMBERS:
            self._numbers.pop(order.popitem(last=False)[0], None)

    def number(self, value: object) -> Identity | None:
        """Where a number comes from."""
        found = self._numbers.get(id(value))
        return found[1] if found is not None else None

    def may_hold(self, value: object) -> bool:
        """Whether ``content`` may know an object."""
        return id(value) in self._holders

    def content(self, artifact_id: str, value: object) -> Source | None:
        """The artifact with this content id, if an operation of this process made ``value``."""
        found = self._contents.get((id(value), artifact_id)) or self._contents.get((0, artifact_id))
        return found[0] if found is not None else None

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._arrived.clear()
        self._contents.clear()
        self._holders.clear()
        self._held.clear()
        self._held_bytes = 0
        self._rows.clear()
        self._numbers.clear()
        self._of_operations.clear()
        self._of_steps.clear()


registry = Registry()


NUMBERS: Final = frozenset(
    "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
)
"""Classes of NumPy's numbers."""


def is_own_number(value: Any) -> bool:
    """Whether a number is an object of its own: Python has one 3 and one NaN for all."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    module = kind.__module__
    if module == "numpy":
        return kind.__name__ in NUMBERS and math.isfinite(value)
    return bool(module == "decimal" and kind.__name__ == "Decimal" and value.is_finite())


def some_of(rows: Any) -> list[Any]:
    """The rows of a list that are looked at: 16 at the most, to its end."""
    return list(rows) if len(rows) <= 16 else [*rows[:: len(rows) // 15 + 1], rows[-1]]


def _sample(rows: Any) -> object:
    """What a list is known by: its length and some of its rows, as they are where they are light,
    or by a digest of them."""
    some = some_of(rows)
    plain = [plain_row(one) for one in some if is_row(one)]
    if len(plain) != len(some):
        return None
    if all(map(_is_light_row, plain)):
        return len(rows), plain
    return digest_value([len(rows), plain])


def _is_light_row(row: object) -> bool:
    return type(row) is tuple and len(row) <= MAX_HELD_ITEMS and all(map(_is_light_item, row))


def _is_light_item(item: object) -> bool:
    kind = type(item)
    return kind in _LIGHT and (kind is not str or len(item) <= MAX_HELD_TEXT)  # type: ignore[arg-type]


# Of classes of the program's own that are tuples or dicts it is looked at what they hold: no method
# of theirs is called.

_ROWS: Final = frozenset(("DictRow", "Record", "Row", "RowMapping"))
_DRIVERS: Final = frozenset(("asyncpg", "psycopg2", "sqlite3", "sqlalchemy"))


def is_row(value: object) -> bool:
    """Whether it is a row of a table: a tuple, a dict, or one of a database's."""
    kind = type(value)
    if issubclass(kind, (tuple, dict)):
        return True
    return kind.__name__ in _ROWS and str(kind.__module__).partition(".")[0] in _DRIVERS


def plain_row(row: Any) -> tuple[Any, ...] | dict[Any, Any]:
    """A row, also of sqlite3's, SQLAlchemy's, psycopg's, psycopg2's or asyncpg's, as a tuple or a
    dict."""
    kind = type(row)
    if issubclass(kind, tuple):
        return tuple(tuple.__iter__(row))
    if issubclass(kind, dict):
        return _named(dict.items(row))
    return _named(row.items()) if kind.__name__ == "RowMapping" else tuple(row)


def _named(items: Iterable[tuple[object, object]]) -> dict[object, object]:
    # Of a table that SQLAlchemy knows, the names are of a class of its own, a kind of str.
    return {str.__str__(name) if isinstance(name, str) else name: value for name, value in items}


def _is_light(value: dict[object, object] | list[object]) -> bool:
    """Whether a dict or list is small, and holds nothing that is worth freeing."""
    if len(value) > MAX_HELD_ITEMS:
        return False
    items = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    return all(
        item is None
        or isinstance(item, (bool, int, float))
        or (isinstance(item, str) and len(item) <= MAX_HELD_TEXT)
        for item in items
    )


@record
class Step:
    """A small step: the function of a library that passes identities on."""

    library: str
    name: str
    version: str | None = None


def derive(
    step: Step,
    inputs: Iterable[Identity],
    detail: bytes | None,
    parameters: Parameters = (),
    picked: Taken | None = None,
    *,
    tells_columns: bool = True,
) -> Identity | None:
    """The identity of what a small step makes of ``inputs``; None when there are none.

    ``detail`` is the digest of the step's own parameters; None when they are not known. ``picked``
    are the columns that the step takes of its one input, where that is all that it does.
    ``tells_columns`` is whether what it makes comes from the columns that its inputs are.
    """
    inputs = tuple(inputs)
    origin = inputs[0].known_origin() if len(inputs) == 1 else None
    if origin is not None:
        (one,) = inputs
        path = unequalled()
        if detail is not None:
            path = path_of(step.library, step.name, step.version, (origin,), detail)
        columns: Columns = (picked,) if picked is not None else ()
        if picked is None and tells_columns and one.columns:
            columns = (_given(one.columns[0]),)
        return Identity((settled(one.sources[0]),), path, one.parameters + parameters, columns)
    return _derive(step, inputs, detail, parameters, picked, tells_columns)


def _derive(
    step: Step,
    inputs: tuple[Identity, ...],
    detail: bytes | None,
    parameters: Parameters,
    picked: Taken | None,
    tells_columns: bool,
) -> Identity | None:
    sources: dict[object, Source] = {}
    waiting: list[Pending[Any]] = []
    carried: Parameters = ()
    for identity in inputs:
        for source in identity.sources:
            source = settled(source)
            sources.setdefault(_key(source), source)
        waiting.extend(identity.pending)
        carried += identity.parameters
    if not sources:
        return None
    columns: Columns = ()
    if picked is not None:
        if len(sources) == 1:
            columns = (picked,)
    elif tells_columns and any(identity.columns for identity in inputs):
        columns = _columns(sources, inputs)
    if detail is None:
        # A path with something unknown in it is never equal to another: why compute it?
        return Identity(tuple(sources.values()), unequalled(), carried + parameters, columns)
    path = partial(_path, step, inputs, detail)
    return Identity(
        tuple(sources.values()),
        Pending(path, waiting) if waiting else path(),
        carried + parameters,
        columns,
    )


def _path(step: Step, inputs: Iterable[Identity], detail: bytes) -> bytes:
    origins = [identity.origin_parts() for identity in inputs]
    return path_of(step.library, step.name, step.version, origins, detail)


def _given(own: Taken | None) -> Taken | None:
    """The columns that a step was given: it may change what is in them."""
    if own is not None and own[0] is None:
        own = tuple(dict.fromkeys(own[1:])) or None
    return own


def _key(source: Source) -> object:
    """Two equal tables with different makers are two sources."""
    return (source.id, source.maker) if isinstance(source, Artifact) else source


def _columns(sources: Mapping[object, Source], inputs: Iterable[Identity]) -> Columns:
    """The columns of each source that any of the inputs was made of."""
    found: dict[object, dict[str | None, None] | None] = {}
    for identity in inputs:
        for number, source in enumerate(identity.sources):
            source = settled(source)
            key = _key(source)
            own = _given(identity.columns[number]) if identity.columns else None
            before = found.get(key, {})
            found[key] = None if own is None or before is None else before | dict.fromkeys(own)
    taken = (found[key] for key in sources)
    return tuple(None if names is None else tuple(names) for names in taken)
