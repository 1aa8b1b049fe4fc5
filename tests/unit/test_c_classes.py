"""Methods of classes in C are replaced, called, and put back."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from otelprov.instrumentation._c_classes import set_attribute


def test_a_method_of_a_class_in_c_is_replaced_and_put_back() -> None:
    table = pa.table({"a": [1, 2]})
    assert table["a"].to_pylist() == [1, 2]  # the interpreter has seen where the method is
    original = vars(pa.ChunkedArray)["to_pylist"]

    def instead(self: pa.ChunkedArray) -> list[str]:
        return ["instead"]

    set_attribute(pa.ChunkedArray, "to_pylist", instead)
    try:
        assert table["a"].to_pylist() == ["instead"]
        assert vars(pa.ChunkedArray)["to_pylist"] is instead
    finally:
        set_attribute(pa.ChunkedArray, "to_pylist", original)
    assert table["a"].to_pylist() == [1, 2]
    assert vars(pa.ChunkedArray)["to_pylist"] is original


def test_a_class_in_c_gets_nothing_that_it_does_not_have() -> None:
    with pytest.raises(TypeError):
        set_attribute(pa.ChunkedArray, "of_ours", 1)
    assert not hasattr(pa.ChunkedArray, "of_ours")


def test_a_class_in_python_is_set_as_ever() -> None:
    class Own:
        pass

    set_attribute(Own, "a", 1)
    assert Own.a == 1  # type: ignore[attr-defined]


PUT_BACK = """
import pyarrow as pa, pyarrow.compute, pyarrow.dataset, pyarrow.ipc
import otelprov.instrumentation.instrumentors as instrumentors

def methods():
    classes = (pa.Table, pa.RecordBatch, pa.ChunkedArray, pa.Array, pa.RecordBatchReader,
               pa.compute.Function, pa.dataset.Dataset, pa.dataset.Scanner)
    return {
        (owner, name): value
        for one in classes for owner in one.__mro__ for name, value in vars(owner).items()
    }

before = methods()
library = instrumentors.libraries["pyarrow"]
library.instrument()
during = methods()
changed = [key for key in before if during[key] is not before[key]]
assert len(changed) > 60, changed
library.uninstrument()
after = methods()
assert [key for key in before if after[key] is not before[key]] == []
"""


def test_all_of_them_are_put_back() -> None:
    subprocess.run([sys.executable, "-c", PUT_BACK], check=True, timeout=120)
