"""Results that come later, plans that come from elsewhere, frames that are read by others."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from types import FrameType
from typing import Any

from otelprov.artifacts import identify
from otelprov.artifacts.deferred import resolve
from otelprov.artifacts.registry import registry
from otelprov.artifacts.snapshots import size
from otelprov.instrumentation._calls import Function, is_internal
from otelprov.instrumentation._wrapping import followed
from otelprov.recording import faults, observation
from otelprov.recording.plans import Execution, Plan, plans
from otelprov.recording.recorder import Call, OpenOperation
from otelprov.recording.run import run


def fetching(original: Function) -> Function:
    """For ``InProcessQuery.fetch``: the query has been executed when it gives something."""
    return followed(original, _fetched, "a query in the background was not recorded")


def _fetched(frame: FrameType, result: object, query: Any) -> None:
    plan = plans.lookup(query)
    if result is None or plan is None:
        return
    operation = _collecting(frame)
    execution = Execution(operation, [("self", plan)])
    execution.returned()
    observation.outputs(operation, result, by_content=False)
    operation.end()


def awaited(original: Function) -> Function:
    """For ``collect_async`` and ``collect_all_async``."""
    return followed(original, _begun, "a query in the background was not recorded")


def _begun(frame: FrameType, result: Any, lazy: Any, **options: Any) -> None:
    """An asyncio future has it, and calls first who asked first: before whoever waits for it."""
    future: Any = getattr(result, "result", None)
    if is_internal(frame) or not hasattr(future, "add_done_callback"):
        return
    lazies = list(lazy) if isinstance(lazy, (list, tuple)) else [lazy]
    operation = _collecting(frame)
    execution = Execution(operation, plans.find({"self": lazies}))
    operation.enter()
    operation.leave()
    operation.end_time = None

    def done(future: Any) -> None:
        with faults.contained("the end of a query in the background was not recorded"):
            error = getattr(future, "_exception", None)  # not asked for: asyncio notes who does
            if future.cancelled() or error is not None:
                execution.failed()
                operation.end(error)
                return
            execution.returned()
            observation.outputs(operation, future.result(), by_content=False)
            operation.end()

    future.add_done_callback(done)


def _collecting(frame: FrameType) -> OpenOperation:
    version = sys.modules["polars"].__version__
    return OpenOperation(Call("polars", "collect", "query", version), frame, {}, ())


def arriving(original: Function) -> Function:
    """For ``LazyFrame.__setstate__``: a plan that came from elsewhere names its files itself."""
    return followed(original, _arrived, _NOT_KNOWN)


def deserializing(original: Function) -> Function:
    """The same for ``LazyFrame.deserialize``."""
    return followed(original, _deserialized, _NOT_KNOWN)


_NOT_KNOWN = "the sources of a plan from elsewhere are not known"


def _arrived(_: FrameType, __: object, lazy: Any, state: object) -> None:
    plans.assign(lazy, Plan((), os.urandom(32)))


def _deserialized(_: FrameType, lazy: object, *arguments: Any, **keywords: Any) -> None:
    plans.assign(lazy, Plan((), os.urandom(32)))


def exporting(original: Function) -> Function:
    """For ``__arrow_c_stream__``: what ``pyarrow.table(frame)`` makes is known by its content."""
    return followed(original, _exported, "an exported table is of unknown origin")


def _exported(frame: FrameType, _: object, table: Any, *how: Any, **said: Any) -> None:
    identity = registry.lookup(table)
    if identity is None or is_internal(frame):
        return
    limit = run.settings.digest_limit
    if limit is not None and size(table) > limit:
        return
    known = identity.artifact
    if known is not None and resolve(known).coverage == "full":
        registry.remember(known)
        return
    version = sys.modules["polars"].__version__
    operation = OpenOperation(Call("polars", "to_arrow", "transform", version), frame, {}, ())
    operation.use("self", identity)
    content = identify(table)
    operation.generate("content", content)
    registry.remember(replace(content, maker=operation.id))
    operation.end()
