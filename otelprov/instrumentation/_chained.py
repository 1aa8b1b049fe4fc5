"""Chained assignment: how pandas finds it, and how that stays as it is under a patch.

``df["a"][0] = 1`` changes a copy that nobody holds. pandas warns of it by counting the references
to ``self`` inside the method. A function in front of the method holds one reference more, so the
count has to be taken there, with pandas' own limits and in pandas' own words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otelprov._record import record

Warned = tuple[str, type[Warning]]


@record
class ChainedAssignment:
    """How one method of pandas finds chained assignment."""

    suspects: Callable[[int, Any], Warned | None]
    """From the reference count and the object: what pandas would warn of."""
    is_local: Callable[[Any], bool] | None = None
    """Says that the object is a variable of the caller's; looks two frames up."""
    is_syntax: Callable[[], bool] | None = None
    """Says that the caller runs ``a[b] = c``; looks two frames up."""


def chained_assignment(path: str) -> ChainedAssignment | None:
    """For the method at ``path`` of the installed pandas; None where that does not count."""
    sets_item = path.endswith("__setitem__")
    try:
        return _pandas_3(sets_item)
    except (ImportError, AttributeError):
        pass
    try:
        return _pandas_2(sets_item)
    except (ImportError, AttributeError):
        return None


def _pandas_3(sets_item: bool) -> ChainedAssignment | None:
    from pandas.compat import _constants as constants
    from pandas.core import common
    from pandas.errors import ChainedAssignmentError, cow

    if getattr(constants, "CHAINED_WARNING_DISABLED", constants.PYPY):
        return None
    message = cow._chained_assignment_msg if sets_item else cow._chained_assignment_method_msg
    limit = constants.REF_COUNT if sets_item else constants.REF_COUNT_METHOD
    warned = (message, ChainedAssignmentError)

    def suspects(references: int, _: Any) -> Warned | None:
        return warned if references <= limit else None

    is_syntax = getattr(common, "is_setitem_syntax_in_caller_frame", None)
    return ChainedAssignment(
        suspects, common.is_local_in_caller_frame, is_syntax if sets_item else None
    )


def _pandas_2(sets_item: bool) -> ChainedAssignment | None:
    from pandas import Series, errors
    from pandas import _config as config
    from pandas.compat import PYPY
    from pandas.compat import _constants as constants
    from pandas.errors import ChainedAssignmentError

    if PYPY or getattr(constants, "WARNING_CHECK_DISABLED", False):
        return None
    limit = 3 if sets_item else getattr(constants, "REF_COUNT", 2)
    if sets_item:
        copied = (errors._chained_assignment_msg, ChainedAssignmentError)
        viewed = (errors._chained_assignment_warning_msg, FutureWarning)
    else:
        copied = (errors._chained_assignment_method_msg, ChainedAssignmentError)
        viewed = (errors._chained_assignment_warning_method_msg, FutureWarning)
    check_cacher = errors._check_cacher

    def suspects(references: int, target: Any) -> Warned | None:
        if config.using_copy_on_write():
            return copied if references <= limit else None
        strict = config.warn_copy_on_write()
        allowed = limit
        if isinstance(target, Series) and not (sets_item and strict) and check_cacher(target):
            allowed += 1
        if references > allowed:
            return None
        if sets_item:
            shares = strict or any(block.refs.has_reference() for block in target._mgr.blocks)
        else:
            shares = target._is_view_after_cow_rules()
        return viewed if shares else None

    return ChainedAssignment(suspects)
