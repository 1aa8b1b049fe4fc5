"""Requests that the program serves: each is a trace of who asked, and no part of the run's.

OpenTelemetry's instrumentations of WSGI, ASGI, Flask and the like begin a span of kind SERVER,
below the one that the request names, only where no span is the current one. The run's is, in the
main thread and in what has its context.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from opentelemetry import context

from otelprov.recording import faults
from otelprov.recording.run import run

_PREFIX: Final = "opentelemetry.instrumentation."
UTILITIES: Final = f"{_PREFIX}utils"
_NAME: Final = "_start_internal_or_server_span"


def install(module: types.ModuleType) -> Callable[[], None]:
    """Have requests begin outside of the run; what is returned takes it back."""
    original = vars(module).get(_NAME)
    if original is None:
        return lambda: None
    served = _apart(original)
    _replace(original, served)
    return lambda: _replace(served, original)


def _replace(old: Any, new: Any) -> None:
    """In the module, and in the instrumentations that took it from there."""
    for name, module in list(sys.modules.items()):
        if name.startswith(_PREFIX) and module is not None and vars(module).get(_NAME) is old:
            setattr(module, _NAME, new)


def _apart(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def start(*args: Any, **kwargs: Any) -> Any:
        outside = None
        with faults.contained("a request is served below the span of the run"):
            outside = run.outside()
        if outside is None:
            return original(*args, **kwargs)
        before = context.attach(outside)
        try:
            span, _ = original(*args, **kwargs)
        except BaseException:
            context.detach(before)
            raise
        return span, before  # who ends the span is back in the run

    return start
