"""What is known of the data among the arguments of a function that computes with it or draws it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from otelprov.artifacts.registry import Identity, registry
from otelprov.recording import in_place, memory, observation


def sort_out(values: Iterable[Any], known: list[Identity]) -> bool:
    """Adds what is known of the data among the arguments; whether there is any of unknown origin.

    It is not asked which part of an array a view is: that takes a digest.
    """
    others = False
    for value in values:
        kind = type(value)
        if kind in observation.PLAIN:
            continue
        if (kind is list or kind is tuple) and registry.container(value) is None:
            others |= sort_out(value, known)
            continue
        identity = registry.lookup(value)
        if identity is not None:
            identity = in_place.as_it_is(value, identity)
        elif memory.is_array(value):
            identity = memory.behind(value)
        if identity is not None:
            known.append(identity)
            continue
        if getattr(value, "size", None) == 0:
            continue  # `all = np.empty((0, 3))`, and then `all = np.vstack([all, part])`
        found = observation.known_inputs((value,))
        found += observation.known_contents((value,)).values()
        known += found
        others |= not found and bool(observation.unknown_data((value,)))
    return others
