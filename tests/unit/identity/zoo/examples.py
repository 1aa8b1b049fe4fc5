"""How many examples of a family are tried: few in ``make test``, 10,000 in ``make zoo``."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

EXAMPLES = int(os.environ.get("OTELPROV_EXAMPLES", "40"))

examples: Any = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # A failure is shrunk, which takes long with 10,000 examples; explaining it takes longer.
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
