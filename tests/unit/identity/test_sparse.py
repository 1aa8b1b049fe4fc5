"""Sparse matrices: what they stand for, not how they are kept."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from otelprov.artifacts import digest_value, identify

FORMATS = ("csr", "csc", "coo", "dok", "lil", "dia", "bsr")


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0, 0, 0, 1, 2, -1]), min_size=4, max_size=4), min_size=1),
    st.sampled_from(["f8", "f4", "i4", "?", "c16", "u1"]),
)
def test_a_matrix_has_one_id_in_every_format(rows: list[list[int]], kind: str) -> None:
    dense = np.array(rows, "i4").astype(kind)
    ids = {identify(getattr(sp.csr_matrix(dense), f"to{name}")()).id for name in FORMATS}
    ids |= {identify(sp.csr_array(dense)).id, identify(sp.bsr_matrix(dense, blocksize=(1, 2))).id}
    ids |= {identify(pickle.loads(pickle.dumps(sp.coo_matrix(dense)))).id}
    assert len(ids) == 1
    other = dense.copy()
    other[0, 0] = 1 if not dense[0, 0] else 0
    assert identify(sp.csr_matrix(other)).id not in ids


def test_order_duplicates_and_stored_zeros_are_storage() -> None:
    place = ([0, 2, 1], [1, 0, 1])
    expected = identify(sp.coo_matrix(([1.0, 3.0, 2.0], place), shape=(3, 3)))
    assert (expected.kind, expected.coverage) == ("array", "full")
    assert (expected.rows, expected.columns) == (3, 3)
    same = [
        sp.coo_matrix(([2.0, 1.0, 3.0], ([1, 0, 2], [1, 1, 0])), shape=(3, 3)),
        sp.coo_matrix(([1.0, 1.0, 3.0, 1.0], ([0, 1, 2, 1], [1, 1, 0, 1])), shape=(3, 3)),
        sp.coo_matrix(([1.0, 3.0, 2.0, 0.0, -0.0], ([0, 2, 1, 0, 2], [1, 0, 1, 0, 2])), (3, 3)),
        sp.csr_matrix(([1.0, 2.0, 3.0], np.array([1, 1, 0], "i8"), np.array([0, 1, 2, 3], "i8"))),
    ]
    for matrix in same:
        matrix.resize((3, 3))
        assert identify(matrix).id == expected.id
    unsorted = sp.csr_matrix(([2.0, 1.0], [2, 0], [0, 2]), shape=(1, 3))
    before = (unsorted.indices.copy(), dict(unsorted.__dict__).keys())
    assert identify(unsorted).id == identify(sp.csr_matrix([[1.0, 0, 2.0]])).id
    assert (unsorted.indices == before[0]).all()
    assert unsorted.__dict__.keys() == before[1]


def test_shape_type_place_and_value_are_content() -> None:
    different: list[Any] = [
        sp.csr_matrix([[1, 0], [0, 2]]), sp.csr_matrix([[1.0, 0], [0, 2]]),
        sp.csr_matrix([[0, 1], [2, 0]]), sp.csr_matrix([[1, 0], [0, 3]]),
        sp.csr_matrix([[1, 0, 0], [0, 2, 0]]), sp.csr_matrix([[1, 0], [0, 2], [0, 0]]),
        sp.csr_matrix((2, 2)), sp.csr_matrix((0, 2)), sp.csr_matrix((2, 0)),
        np.array([[1, 0], [0, 2]]),
    ]  # fmt: skip
    assert len({identify(value).id for value in different}) == len(different)
    nan = sp.coo_array(([np.nan], ([0], [0])), shape=(1, 1))
    negative = sp.coo_array(([-np.nan], ([0], [0])), shape=(1, 1))
    assert identify(nan).id == identify(negative).id


def test_a_matrix_of_more_places_than_a_number_can_count_has_an_id() -> None:
    place = (np.array([5, 2**40]), np.array([2**39, 1]))
    one = sp.coo_matrix(([1, 2], place), shape=(2**41, 2**41))
    other = sp.coo_matrix(([2, 1], tuple(p[::-1] for p in place)), shape=(2**41, 2**41))
    doubled = sp.coo_matrix(([1, 1, 1], tuple(p[[0, 1, 1]] for p in place)), shape=(2**41, 2**41))
    assert len({identify(matrix).id for matrix in (one, other, doubled)}) == 1


def test_more_elements_than_one_block_have_one_id() -> None:
    matrix = sp.random(2_000, 1_000, 0.1, random_state=0, format="csr")
    assert matrix.nnz > 2 * 65_536
    assert identify(matrix).id == identify(matrix.tocsc()).id


def test_a_sparse_matrix_is_a_part_of_other_values() -> None:
    matrix = sp.eye(3).tocsr()
    assert digest_value([matrix]) == digest_value([matrix.tocoo()]) is not None


def test_a_subclass_may_hold_more_and_has_no_id() -> None:
    class Labelled(sp.csr_matrix):  # type: ignore[misc]
        pass

    artifact = identify(Labelled(sp.eye(2)))
    assert artifact.coverage in ("none", "state")


@pytest.mark.skipif(not hasattr(sp, "coo_array"), reason="scipy without sparse arrays")
def test_arrays_of_one_dimension_have_ids() -> None:
    one, other = sp.coo_array(np.array([1, 0, 2])), sp.coo_array(np.array([[1, 0, 2]]))
    assert identify(one).coverage == "full", identify(one).reason
    assert identify(one).columns is None
    assert identify(one).id != identify(other).id
