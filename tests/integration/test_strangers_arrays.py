"""Arrays as strangers keep them: mapped files, archives, raw bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import strangers

ARRAYS = """
    import numpy as np, pandas as pd
    x = np.load("x.npy")  # @x
    raw = np.fromfile("raw.bin", dtype="f4").reshape(-1, 3)  # @raw
    mapped = np.memmap("mapped.dat", dtype="f8", mode="w+", shape=x.shape)  # @map
    mapped[:] = x
    mapped.flush()  # @flush
    del mapped
    again = np.memmap("mapped.dat", dtype="f8", mode="r", shape=(50, 4))  # @again
    np.save("again.npy", again)  # @save
    np.savez("both.npz", x=x, raw=raw)  # @savez
    with np.load("both.npz") as archive:  # @archive
        first, second = archive["x"], archive["raw"]  # @items
    pd.DataFrame(first, columns=list("abcd")).to_csv("first.csv", index=False)  # @first
    np.savetxt("second.txt", second)  # @second
    np.save("centered.npy", x - x.mean(axis=0))  # @centered
    rows = np.lib.format.open_memmap("rows.npy", mode="w+", dtype="f8", shape=(5, 4))
    rows[:] = x[:5]
    rows.flush()  # @rows
"""
DRAWN = """
    numpy.load@x: x.npy -> return
    numpy.fromfile@raw: raw.bin -> return
    numpy.memmap@map: -> return
    numpy.memmap.flush@flush: numpy.memmap@map, ? -> mapped.dat
    numpy.memmap@again: mapped.dat -> return
    numpy.save@save: numpy.memmap@again -> again.npy
    numpy.savez@savez: numpy.load@x, numpy.fromfile@raw -> both.npz
    numpy.load@archive: both.npz -> return
    numpy.NpzFile.getitem@items: numpy.load@archive -> return
    numpy.NpzFile.getitem@items: numpy.load@archive -> return
    pandas.to_csv@first: numpy.NpzFile.getitem@items -> first.csv
    numpy.savetxt@second: numpy.NpzFile.getitem@items -> second.txt
    numpy.save@centered: ? -> centered.npy
    numpy.memmap.flush@rows: ? -> rows.npy
"""


def test_what_a_program_puts_into_a_mapped_file_is_of_unknown_origin(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(0)
    np.save(directory / "x.npy", random.normal(size=(50, 4)))
    random.normal(size=(20, 3)).astype("f4").tofile(directory / "raw.bin")
    recording = strangers.record(directory, ARRAYS)
    assert recording.graph() == strangers.drawn(DRAWN)
    assert any("mapped file" in gap for gap in recording.gaps("again.npy"))
