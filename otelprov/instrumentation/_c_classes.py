"""Sets methods of classes that are written in C (docs/decisions/0029).

Python refuses ``setattr`` on them. Their methods are looked up in a dict all the same, which the
garbage collector knows, and whoever changes that dict tells the interpreter, as ``setattr`` would.
Operators are no methods: ``a[0]`` of such a class is a call of C, whatever stands in its dict.
"""

from __future__ import annotations

import gc
import sys
from typing import Any


def set_attribute(owner: Any, name: str, value: object) -> None:
    """As ``setattr(owner, name, value)``, for a class of C too, where the interpreter is CPython
    with its lock.

    Raises:
        TypeError: it cannot be set.
    """
    try:
        setattr(owner, name, value)
    except TypeError:
        methods = _methods(owner)
        if methods is None or name not in methods:
            raise
        import ctypes  # which NumPy, and so pyarrow, has loaded

        methods[name] = value
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def _methods(owner: type) -> dict[str, object] | None:
    """The dict behind ``vars(owner)``, which may only be read; None where that is not known."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    found = [one for one in gc.get_referents(vars(owner)) if type(one) is dict]
    return found[0] if len(found) == 1 and found[0] == vars(owner) else None
