"""safetensors: tensors of PyTorch in its files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from otelprov.instrumentation._table import Entry, read, write
from otelprov.instrumentation.torch import Loaded, Saved

RECORDS: Final = "**read**: `torch.load_file`<br>**write**: `torch.save_file`"
ODDITIES: Final = (
    "Files of PyTorch's tensors are recorded, written and read whole by `safetensors.torch`; "
    "`safe_open`, which is written in Rust, is not seen.",
)


def _torch() -> Iterable[Entry]:
    yield write("save_file", target="filename", data="tensors", observed=Saved)
    yield read("load_file", source="filename", observed=Loaded)


TABLES = {"safetensors.torch": _torch}
