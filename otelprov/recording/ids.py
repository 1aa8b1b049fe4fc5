"""The ids of our own spans: random, and not from the random numbers of the program.

The SDK's generator draws from the module ``random`` (1.45): a program that calls ``random.seed``
would get other numbers when it is recorded, and two processes that seed it alike would give their
spans the same ids.
"""

from __future__ import annotations

import os
import random

from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import Tracer


class OwnIds(IdGenerator):
    """Ids from a generator that nobody else draws from or seeds."""

    def __init__(self) -> None:
        self._random = random.Random()  # noqa: S311 - ids, not secrets
        self.reseed()

    def reseed(self) -> None:
        """Begin anew from the system's random bytes, as a forked child must."""
        # os.urandom for each id needs no seed, and took 4 µs where this takes 1.
        self._random.seed(os.urandom(32))

    def generate_span_id(self) -> int:
        """Not zero, which is no id."""
        return self._random.getrandbits(64) or self.generate_span_id()

    def generate_trace_id(self) -> int:
        """Not zero, which is no id."""
        return self._random.getrandbits(128) or self.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """As the flag of W3C Trace Context level 2 means it."""
        return True


ids = OwnIds()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ids.reseed)


def with_own_ids(tracer: Tracer) -> Tracer:
    """``tracer`` with our ids, unless somebody chose a generator for the provider."""
    if isinstance(tracer, SdkTracer) and type(tracer.id_generator) is RandomIdGenerator:
        tracer.id_generator = ids
    return tracer
