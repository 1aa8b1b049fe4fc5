"""Figures that an operation has found: the score of a model, an error, a loss."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real

from otelprov import semconv
from otelprov.journal.lines import Part
from otelprov.recording.recorder import OpenOperation


def say(operation: OpenOperation, figures: Mapping[str, object]) -> None:
    """Write those that are numbers on the span of an operation."""
    attributes = {
        semconv.METRIC_PREFIX + name: float(value)
        for name, value in figures.items()
        if isinstance(value, Real) and not isinstance(value, bool)
    }
    if attributes and operation.record.wanted:
        operation.record.describe(Part(attributes))
