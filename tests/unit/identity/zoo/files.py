"""Files and directories, by their bytes."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

from zoo.cases import Bytes, Groups, case, place


def tree(files: dict[str, bytes]) -> Path:
    """A directory of some files; a name that ends in a slash is a directory."""
    here = place()
    for name, content in files.items():
        path = here / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return here


@case()
def bytes_of_a_file() -> Groups:
    """A file is its bytes; its name, its time and who may read it are not content."""
    contents = [
        b"",
        b"\0",
        b"\0\0",
        b"a",
        b"a\n",
        b"a\r\n",
        b"\xef\xbb\xbfa",
        b"x" * 1023,
        b"x" * 1024,
        b"x" * 1025,
    ]
    groups = {}
    for i, content in enumerate(contents):
        here = tree({"one": content, "two.txt": content})
        os.utime(here / "one", (0, 0))
        (here / "two.txt").chmod(0o400)
        groups[str(i)] = [
            Bytes(here / "one"),
            Bytes(here / "two.txt"),
            content,
            io.BytesIO(content),
        ]
    return groups


@case()
def big_files() -> Groups:
    """One byte at any place of a file that is read in pieces."""
    size = 3_000_001
    groups = {}
    for spot in (None, 0, 1 << 20, (1 << 20) - 1, 2_000_000, size - 1):
        content = bytearray(size)
        if spot is not None:
            content[spot] = 1
        groups[str(spot)] = [Bytes(tree({"big": bytes(content)}) / "big")]
    return groups


@case()
def text_in_memory_and_in_a_file() -> Groups:
    """Text is the file of its UTF-8."""
    return {
        word: [word, word.encode(), io.StringIO(word), Bytes(tree({"t": word.encode()}) / "t")]
        for word in ("ä", "a\u0308", "ä\n")
    }


@case()
def entries_of_directories() -> Groups:
    """Names, places and contents of all entries; not the order in which they are listed."""
    base = {"a": b"1", "b": b"2", "sub/c": b"3"}
    backwards = dict(reversed(base.items()))
    copied = place() / "copy"
    shutil.copytree(tree(base), copied)
    return {
        "base": [Bytes(tree(base)), Bytes(tree(backwards)), Bytes(copied)],
        "contents swapped": [Bytes(tree({"a": b"2", "b": b"1", "sub/c": b"3"}))],
        "renamed": [Bytes(tree({"a": b"1", "d": b"2", "sub/c": b"3"}))],
        "moved": [Bytes(tree({"a": b"1", "b": b"2", "c": b"3"}))],
        "deeper": [Bytes(tree({"x/a": b"1", "x/b": b"2", "x/sub/c": b"3"}))],
        "hidden": [Bytes(tree({**base, ".hidden": b""}))],
        "an empty directory more": [Bytes(tree({**base, "empty/": b""}))],
        "boundary": [Bytes(tree({"a": b"1b", "sub/c": b"3"}))],
        "one less": [Bytes(tree({"a": b"1", "b": b"2"}))],
    }


@case()
def empty_directories() -> Groups:
    """Nothing, a file of nothing, and a directory of nothing."""
    return {
        "empty": [Bytes(tree({})), Bytes(place())],
        "file": [Bytes(tree({"n": b""}))],
        "directory": [Bytes(tree({"n/": b""}))],
        "nested": [Bytes(tree({"n/n/": b""}))],
        "no bytes at all": [Bytes(tree({"z/w": b""}))],
    }


@case()
def links() -> Groups:
    """A link to a file is the file; one to a directory is where it points."""

    def linked(target: str, name: str = "link") -> Bytes:
        here = tree({"f": b"linked", "d/g": b"x"})
        (here / name).symlink_to(target)
        return Bytes(here)

    return {
        "to a file": [linked("f"), Bytes(tree({"f": b"linked", "d/g": b"x", "link": b"linked"}))],
        "to a directory": [linked("d")],
        "to nothing": [linked("nowhere")],
        "no link": [Bytes(tree({"f": b"linked", "d/g": b"x"}))],
    }


@case()
def parts_of_a_data_set() -> Groups:
    """A partitioned data set: which rows lie in which part is in the paths."""
    rows = {"x=1": b"one", "x=2": b"two"}
    return {
        "parts": [Bytes(tree({f"{k}/part-0": v for k, v in rows.items()}))],
        "swapped": [Bytes(tree({"x=1/part-0": b"two", "x=2/part-0": b"one"}))],
        "one part": [Bytes(tree({"x=1/part-0": b"onetwo"}))],
        "two files": [Bytes(tree({"x=1/part-0": b"one", "x=1/part-1": b"two"}))],
        "renamed": [Bytes(tree({f"{k}/part-1": v for k, v in rows.items()}))],
    }
