"""How many examples of a family are tried: few in ``make test``, 10,000 in ``make zoo``."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings

EXAMPLES = int(os.environ.get("OTELPROV_EXAMPLES", "40"))

TESTS: dict[str, Any] = {}
"""Every family's test, for ``depth.py``: with any seed."""


def family(name: str) -> Callable[[Any], Any]:
    """Mark the Hypothesis test of a family, under ``given``.

    It may ask for ``worker`` and ``trips`` (``processes.py``, ``trips.py``), which go on after the
    examples.
    """

    def mark(test: Any) -> Any:
        TESTS[name] = examples(test)
        return TESTS[name]

    return mark


examples: Any = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # A failure is shrunk, which takes long with 10,000 examples; explaining it takes longer.
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        # What the examples left to be asked is asked after all of them.
        HealthCheck.function_scoped_fixture,
    ],
)
