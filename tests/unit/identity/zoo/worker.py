"""A process that says the ids of what it is sent: another one, of other versions at that.

It needs otelprov and the libraries only. Each message has its length in 8 bytes in front: one
letter for its kind, ``a`` for a table as an Arrow stream and ``p`` for a pickle, then the data. The
answer is the id, or ``?`` and why there is none.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any, BinaryIO

from otelprov.artifacts import digest_value, identify


def main(source: BinaryIO, target: BinaryIO) -> None:
    while head := source.read(8):
        message = source.read(int.from_bytes(head, "little"))
        try:
            answer = _id(message[:1], message[1:])
        except Exception as error:
            answer = f"?{type(error).__name__}: {error}"
        data = answer.encode("utf-8", "backslashreplace")
        target.write(len(data).to_bytes(8, "little") + data)
        target.flush()


def _id(kind: bytes, data: bytes) -> str:
    if kind == b"p":
        value: Any = pickle.loads(data)
        if isinstance(value, tuple) and value[:1] == ("parameter",):
            digest = digest_value(value[1])
            return f"object:{digest.hex()}" if digest else "?no digest"
    else:
        import pyarrow as pa

        value = pa.ipc.open_stream(data).read_all()
    artifact = identify(value)
    return artifact.id if artifact.coverage == "full" else f"?{artifact.reason}"


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
