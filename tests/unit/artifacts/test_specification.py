"""docs/artifact-identity.md, followed to the letter and value by value, gives the same ids."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import specification.tables
from arrow_data import tables
from hypothesis import given, settings
from specification.arrow import notation

from otelprov.artifacts import identify


def specified(value: pa.Table) -> str:
    return specification.tables.table(notation(value))[0]


@settings(deadline=None)
@given(tables())
def test_every_table_has_the_id_that_the_specification_says(value: pa.Table) -> None:
    for column in value.columns:
        for chunk in column.chunks:
            chunk.validate(full=True)
    assert identify(value).id == specified(value)


@pytest.mark.parametrize("rows", [0, 1, 65_536, 65_537, 140_000])
def test_blocks_are_as_the_specification_says(rows: int) -> None:
    numbers = np.arange(rows)
    value = pa.table({"n": numbers, "s": pa.array(numbers % 300).cast(pa.string())})
    value = value.append_column("x", pa.array(numbers / 7, mask=numbers % 5 == 0))
    assert identify(value).id == specified(value)
