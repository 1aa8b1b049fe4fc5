"""Threads, tasks and generators: whose operation is the current one."""

from __future__ import annotations

from pathlib import Path

from programs import Outcome, compared

HEAD = """
    import asyncio, contextvars, gc, sys, threading
    from concurrent.futures import ThreadPoolExecutor
    import otelprov

    @otelprov.operation
    def leaf(name):
        return None

"""


def parents(outcome: Outcome) -> dict[str, str]:
    """By name (of a leaf: its parameter), the name of the parent."""
    names = {one.span_id: label(one) for one in [*outcome.started, *outcome.spans]}
    return {label(span): names.get(span.parent or "", "-") for span in outcome.operations}


def label(span: object) -> str:
    name: str = span.name  # type: ignore[attr-defined]
    return span.parameter("name") if name == "leaf" else name  # type: ignore[attr-defined]


def test_threads_belong_to_the_run_and_contexts_that_are_copied_to_their_operation(
    tmp_path: Path,
) -> None:
    outcome = compared(
        tmp_path,
        HEAD
        + """
    def start(target, *arguments):
        thread = threading.Thread(target=target, args=arguments)
        thread.start()
        thread.join()

    with otelprov.operation("outer"):
        start(leaf, "thread")
        with ThreadPoolExecutor(1) as pool:
            pool.submit(leaf, "pool").result()
            pool.submit(contextvars.copy_context().run, leaf, "pool with context").result()
        start(contextvars.copy_context().run, leaf, "thread with context")
        leaf("direct")
    leaf("after")
    """,
    )
    run = "run program.py"
    assert parents(outcome) == {
        "outer": run,
        "thread": run,
        "pool": run,
        "pool with context": "outer",
        "thread with context": "outer",
        "direct": "outer",
        "after": run,
    }


def test_tasks_have_the_operation_that_they_were_started_in(tmp_path: Path) -> None:
    outcome = compared(
        tmp_path,
        HEAD
        + """
    @otelprov.operation
    async def outer(go_on):
        late = asyncio.create_task(later(go_on))
        await asyncio.gather(one("a"), one("b"), asyncio.to_thread(leaf, "to_thread"))
        leaf("in outer")
        return late

    async def one(name):
        with otelprov.operation("one " + name):
            await asyncio.sleep(0.01)
            leaf("in " + name)

    async def later(go_on):
        await go_on.wait()
        leaf("when outer is over")

    async def main():
        go_on = asyncio.Event()
        late = await outer(go_on)
        leaf("in main")
        go_on.set()
        await late

    asyncio.run(main())
    leaf("after")
    """,
    )
    run = "run program.py"
    assert parents(outcome) == {
        "outer": run,
        "one a": "outer",
        "one b": "outer",
        "in a": "one a",
        "in b": "one b",
        "to_thread": "outer",
        "in outer": "outer",
        "when outer is over": "outer",
        "in main": run,
        "after": run,
    }


def test_what_is_thrown_away_half_way_ends_quietly_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    outcome = compared(
        tmp_path,
        HEAD
        + """
    @otelprov.operation
    def numbers(kind):
        try:
            leaf("in " + kind)
            yield 1
            yield 2
        except KeyError:
            yield 3
        finally:
            leaf("end of " + kind)

    def block(kind):
        with otelprov.operation("block " + kind):
            yield 1
            yield 2

    # Closed early, collected, thrown into, never begun, finished in another thread.
    closed = numbers("closed"); next(closed); leaf("beside"); closed.close()
    collected = numbers("collected"); next(collected); del collected; gc.collect()
    thrown = numbers("thrown"); next(thrown); print(thrown.throw(KeyError("x")), list(thrown))
    never = numbers("never"); del never
    moved = numbers("moved"); next(moved)
    thread = threading.Thread(target=lambda: print(list(moved)))
    thread.start(); thread.join()
    leaf("after generators")

    # Blocks in two generators, taken in turns, and one that another context closes.
    first, second = block("first"), block("second")
    next(first); next(second)
    list(first)
    leaf("in second")
    list(second)
    leaf("after turns")
    other = block("other"); contextvars.copy_context().run(next, other)
    other.close()
    leaf("after other")

    # A coroutine that never ends is closed by the collector, in whatever context.
    @otelprov.operation
    async def waits():
        await asyncio.Event().wait()

    async def drop():
        task = asyncio.ensure_future(waits())
        await asyncio.sleep(0)
        return task

    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(drop())
    task._log_destroy_pending = False
    loop.close()
    del task
    gc.collect()
    leaf("after coroutine")

    # An async generator that is left, and closed by the loop in a task of its own: given time,
    # or else the loop cancels that task, and the operation with it.
    @otelprov.operation
    async def items():
        try:
            leaf("in items")
            yield 1
            yield 2
        finally:
            leaf("end of items")

    async def leave():
        async for item in items():
            break
        await asyncio.sleep(0.01)
        leaf("after break")

    asyncio.run(leave())
    leaf("last")
    """,
    )
    run = "run program.py"
    found = parents(outcome)
    kinds = ("closed", "collected", "thrown", "moved")
    assert [span.name for span in outcome.spans].count("numbers") == len(kinds)
    for kind in kinds:
        assert found["in " + kind] == found["end of " + kind] == "numbers"
    assert found["in items"] == found["end of items"] == "items"
    assert found["in second"] == "block second"
    for name in found:
        if name in ("beside", "after break", "last") or name.startswith("after"):
            assert found[name] == run, name
    failed = [span.name for span in outcome.spans if span.status]
    assert failed == ["block other", "waits"], "a block that is closed half way, not a generator"
    ended = {span.span_id for span in outcome.spans}
    assert [one.name for one in outcome.started if one.span_id not in ended] == []
