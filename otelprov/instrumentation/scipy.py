"""SciPy: sparse matrices, which are small steps of each other, and the files they are kept in.

Their classes share methods with each other and overrule some, in a dozen modules: a method is
patched where a class defines it. What the other packages of SciPy compute is not looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from otelprov.instrumentation._table import Entry, read, step, suffixed, write

ODDITIES: Final = (
    "Sparse matrices and arrays come from what they were made of: by their classes, by methods, "
    "operators and indexing, and by `hstack`, `vstack` and the like. What is made of their own "
    "arrays (`m.data`, `m.indices`), and what is put into these, is not seen.",
    "Only `scipy.sparse` and the files of MATLAB and Matrix Market in `scipy.io` are recorded; "
    "what the other packages compute is of unknown origin.",
)

_METHODS: Final = (
    "toarray todense tocsr tocsc tocoo todok tolil tobsr todia asformat astype transpose reshape "
    "multiply maximum minimum dot power sum mean max min diagonal getrow getcol copy nonzero "
    "sqrt sign log1p expm1 tanh argmax argmin T __getitem__ __add__ __radd__ __sub__ __rsub__ "
    "__mul__ __rmul__ __matmul__ __rmatmul__ __truediv__ __neg__ __abs__ __pow__ __eq__ __ne__ "
    "__lt__ __le__ __gt__ __ge__ __init__"
).split()
_MAKING: Final = (
    "hstack vstack block_array block_diag bmat kron diags diags_array tril triu".split()
)
_CHANGING: Final = ("__setitem__", "setdiag")
_MODULES: Final = (
    "_base _bsr _compressed _coo _csc _csr _data _dia _dok _index _lil _matrix".split()
)


def _sparse() -> Iterable[Entry]:
    yield write("save_npz", target="file", data="matrix", places=suffixed("file", ".npz"))
    yield read("load_npz", source="file")
    for name in _MAKING:
        yield step(name)
    for module in _MODULES:
        home = sys.modules.get(f"scipy.sparse.{module}")
        for kind in [] if home is None else list(vars(home).values()):
            if isinstance(kind, type) and kind.__module__ == f"scipy.sparse.{module}":
                yield from _of_class(f"{module}.{kind.__name__}", kind)


def _of_class(path: str, kind: type) -> Iterable[Entry]:
    for name in _METHODS:
        if name in vars(kind):
            yield step(f"{path}.{name}")
    for name in _CHANGING:
        if name in vars(kind):
            yield step(f"{path}.{name}", in_place="always")


def _linear() -> Iterable[Entry]:
    for name in ("svds", "eigs", "eigsh", "spsolve"):
        yield step(name)


def _io() -> Iterable[Entry]:
    yield read(
        "loadmat", source="file_name", places=suffixed("file_name", ".mat", unless_there=True)
    )
    yield write(
        "savemat",
        target="file_name",
        data="",
        places=suffixed("file_name", ".mat", unless_there=True),
    )
    yield read("mmread", source="source", places=suffixed("source", ".mtx", unless_there=True))
    yield write(
        "mmwrite", target="target", data="a", places=suffixed("target", ".mtx", unless_there=True)
    )


TABLES = {"scipy.sparse": _sparse, "scipy.sparse.linalg": _linear, "scipy.io": _io}
