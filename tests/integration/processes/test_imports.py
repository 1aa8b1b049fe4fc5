"""Modules that threads import at once: what waits for them waits for nothing of ours."""

from __future__ import annotations

from pathlib import Path

from programs import compared

IMPORTS = """
    import sys, threading

    def parent():
        import pyarrow

    def child():
        while "pyarrow" not in sys.modules:
            pass
        import pyarrow.parquet

    threads = [threading.Thread(target=one, daemon=True) for one in (parent, child)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    print(any(thread.is_alive() for thread in threads))
"""


def test_a_module_is_found_while_another_thread_imports_its_parent(tmp_path: Path) -> None:
    assert compared(tmp_path, IMPORTS).out == "False\n"
