"""Arrays as strangers keep and make them: mapped files, archives, raw bytes, of other arrays."""

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


FEW = """
    import numpy as np, polars as pl
    frame = pl.read_csv("in.csv")  # @frame
    logs = np.log(frame["v"].to_numpy())  # @logs
    frame.with_columns(l=logs).write_json("named.json")  # @named
    frame.select("k", pl.lit(logs).alias("l")).write_json("lit.json")  # @lit
    frame.with_columns(pl.col("v") * logs).write_json("product.json")  # @product
    frame.lazy().with_columns(l=pl.lit(logs)).collect().write_json("lazy.json")  # @lazy
    chosen = np.array([1, 2])
    frame.filter(pl.col("k").is_in(chosen)).write_json("chosen.json")  # @chosen
"""
FEW_DRAWN = """
    polars.read_csv@frame: in.csv -> return
    polars.to_numpy@logs: polars.read_csv@frame -> return
    polars.with_columns@named: ?, polars.read_csv@frame -> return
    polars.write_json@named: polars.with_columns@named -> named.json
    polars.select@lit: ?, polars.read_csv@frame -> return
    polars.write_json@lit: polars.select@lit -> lit.json
    polars.with_columns@product: ?, polars.read_csv@frame -> return
    polars.write_json@product: polars.with_columns@product -> product.json
    polars.collect@lazy: ?, polars.read_csv@frame -> return
    polars.write_json@lazy: polars.collect@lazy -> lazy.json
    polars.filter@chosen: polars.read_csv@frame -> return
    polars.write_json@chosen: polars.filter@chosen -> chosen.json
"""


def test_a_few_values_that_a_column_is_computed_of_are_no_parameter(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "in.csv").write_text("k,v\n1,2.5\n2,3.5\n3,4.5\n")
    recording = strangers.record(directory, FEW)
    assert recording.graph() == strangers.drawn(FEW_DRAWN)
    assert recording.roots("named.json") == {"in.csv", "?"}
    assert "opaque" in recording.columns("named.json#l")


LABELS = """
    import pandas as pd
    frame = pd.read_csv("in.csv")  # @frame
    names = frame.columns.to_list()
    frame.drop_duplicates(subset=frame.columns.tolist()).to_csv("rows.csv")  # @rows
    frame[names[:1]].sort_values(names[0]).to_csv("sorted.csv")  # @sorted
    keys = frame.set_index("v").loc[2.0:].index.tolist()  # @keys
    frame[frame["v"].isin(keys)].to_csv("keys.csv")  # @isin
"""
LABELS_DRAWN = """
    pandas.read_csv@frame: in.csv -> return
    pandas.drop_duplicates@rows: pandas.read_csv@frame -> return
    pandas.to_csv@rows: pandas.drop_duplicates@rows -> rows.csv
    pandas.sort_values@sorted: pandas.read_csv@frame -> return
    pandas.to_csv@sorted: pandas.sort_values@sorted -> sorted.csv
    pandas.set_index@keys: pandas.read_csv@frame -> return
    pandas.loc@keys: pandas.set_index@keys -> return
    pandas.to_list@keys: pandas.loc@keys -> return
    pandas.getitem@isin: pandas.read_csv@frame, pandas.to_list@keys -> return
    pandas.to_csv@isin: pandas.getitem@isin -> keys.csv
"""


def test_a_list_of_the_names_of_columns_is_no_data(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "in.csv").write_text("k,v\n1,1.5\n2,2.5\n3,3.5\n")
    recording = strangers.record(directory, LABELS)
    assert recording.graph() == strangers.drawn(LABELS_DRAWN)


MADE = """
    import pickle
    import numpy as np, pandas as pd
    t = pd.read_csv("in.csv")  # @t
    u = pd.read_csv("more.csv")  # @u
    noise = np.random.default_rng(0).normal(size=len(t))
    t["big"] = np.where(t["v"] > 3, "big", "small")  # @big
    both = np.concatenate([t["v"], u["v"]])  # @both
    np.save("both.npy", both[:4].reshape(-1, 2))  # @view
    np.save("some.npy", np.column_stack([t["v"], noise]))  # @some
    values, counts = np.unique(t["big"], return_counts=True)
    pd.DataFrame({"big": values, "n": counts}).to_csv("counts.csv")  # @counts
    u.iloc[np.argsort(u["v"].to_numpy())[::-1]].to_csv("sorted.csv")  # @sorted
    t.assign(w=lambda one: np.where(one["v"] > 3, noise, 0)).to_csv("noisy.csv")  # @noisy
    np.mean(t[["k", "v"]], axis=0).to_csv("mean.csv")  # @mean
    np.save("c.npy", np.c_[t["k"], u["v"]])  # @c
    windows = np.lib.stride_tricks.sliding_window_view(u["k"].to_numpy(), 2)  # @values
    np.save("windows.npy", windows)  # @windows
    grown = np.empty((0, 2))
    for table in (t, u):
        grown = np.vstack([grown, table[["k", "v"]]])
    np.save("grown.npy", grown)  # @grown
    np.save("nothing.npy", np.hstack([np.zeros(2), np.ones(2)]))  # @nothing
    for wrong in ((), (1, 2, 3, 4)):
        try:
            np.where(*wrong)
        except TypeError as error:
            print(error)
    print(pickle.loads(pickle.dumps(np.where)) is np.where)
"""
MADE_DRAWN = """
    pandas.read_csv@t: in.csv -> return
    pandas.read_csv@u: more.csv -> return
    pandas.setitem@big: pandas.read_csv@t -> self
    numpy.save@view: pandas.setitem@big, pandas.read_csv@u -> both.npy
    numpy.save@some: ?, pandas.setitem@big -> some.npy
    pandas.DataFrame@counts: pandas.setitem@big -> self
    pandas.to_csv@counts: pandas.DataFrame@counts -> counts.csv
    pandas.to_numpy@sorted: pandas.read_csv@u -> return
    pandas.iloc@sorted: pandas.read_csv@u, pandas.to_numpy@sorted -> return
    pandas.to_csv@sorted: pandas.iloc@sorted -> sorted.csv
    pandas.assign@noisy: ?, pandas.setitem@big -> return
    pandas.to_csv@noisy: pandas.assign@noisy -> noisy.csv
    pandas.to_csv@mean: pandas.setitem@big -> mean.csv
    numpy.save@c: pandas.setitem@big, pandas.read_csv@u -> c.npy
    pandas.to_numpy@values: pandas.read_csv@u -> return
    numpy.save@windows: pandas.to_numpy@values -> windows.npy
    numpy.save@grown: pandas.setitem@big, pandas.read_csv@u -> grown.npy
    numpy.save@nothing: ? -> nothing.npy
"""


def test_functions_that_make_arrays_of_others_are_small_steps(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "in.csv").write_text("k,v\n1,2.5\n2,3.5\n3,4.5\n")
    (directory / "more.csv").write_text("k,v\n4,5.5\n5,6.5\n6,1.5\n")
    recording = strangers.record(directory, MADE)
    assert recording.graph() == strangers.drawn(MADE_DRAWN)
    assert recording.columns("counts.csv#big") == {"in.csv#v"}
    assert recording.roots("sorted.csv") == {"more.csv"}
    assert recording.outputs == [
        "where() missing 1 required positional argument: 'condition'\n"
        "where() takes from 1 to 3 positional arguments but 4 were given\nTrue\n"
    ]


MANY = """
    import glob
    import numpy as np
    files = sorted(glob.glob("part*.npy"))
    np.save("all.npy", np.vstack([np.load(file) for file in files]))  # @all
"""


def test_an_array_of_many_is_made_by_an_operation(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    for number in range(60):
        np.save(directory / f"part{number}.npy", np.full((2, 3), number))
    recording = strangers.record(directory, MANY)
    graph = recording.graph()
    assert graph["numpy.vstack@all: numpy.load@all -> return"] == 1
    assert graph["numpy.save@all: numpy.vstack@all -> all.npy"] == 1
    assert len(recording.roots("all.npy")) == 60


PUT = """
    import numpy as np, pandas as pd
    from sklearn.linear_model import Ridge
    x = np.load("x.npy")  # @x
    y = np.load("y.npy")  # @y
    both = np.concatenate([x, y])
    np.save("untouched.npy", both)  # @untouched
    both[:3] = np.loadtxt("z.txt")  # @z
    np.save("put.npy", both)  # @put
    np.save("part.npy", both[5:, :2])  # @part
    means = np.mean(x, axis=0)
    np.save("means.npy", np.round(means))  # @means
    means += np.arange(4)
    np.save("added.npy", np.round(means))  # @added
    large = np.concatenate([x] * 4_000)
    column = large[:, 3]
    np.save("large.npy", large[:, :2])  # @large
    column[column < 0] = 0
    np.save("zeroed.npy", large[:, :2])  # @zeroed
    model = Ridge().fit(x[:, :3], x[:, 3])  # @fit
    found = model.predict(y[:, :3])  # @predict
    pd.DataFrame({"p": found}).to_csv("kept.csv")  # @kept
    found[found < found.mean()] = 0
    pd.DataFrame({"p": found}).to_csv("cut.csv")  # @cut
    found.sort()
    frame = pd.read_csv("in.csv")  # @frame
    frame["p"] = found  # @set
    frame.to_csv("set.csv")  # @csv
    ratio = frame["v"] * found
    ratio.to_csv("ratio.csv")  # @ratio
"""
PUT_DRAWN = """
    numpy.load@x: x.npy -> return
    numpy.load@y: y.npy -> return
    numpy.save@untouched: numpy.load@x, numpy.load@y -> untouched.npy
    numpy.loadtxt@z: z.txt -> return
    numpy.save@put: ?, numpy.load@x, numpy.load@y -> put.npy
    numpy.save@part: ?, numpy.load@x, numpy.load@y -> part.npy
    numpy.save@means: numpy.load@x -> means.npy
    numpy.save@added: ?, numpy.load@x -> added.npy
    numpy.save@large: numpy.load@x -> large.npy
    numpy.save@zeroed: ?, numpy.load@x -> zeroed.npy
    sklearn.Ridge.fit@fit: numpy.load@x -> self
    sklearn.Ridge.predict@predict: numpy.load@y, sklearn.Ridge.fit@fit -> return
    pandas.DataFrame@kept: sklearn.Ridge.predict@predict -> self
    pandas.to_csv@kept: pandas.DataFrame@kept -> kept.csv
    pandas.DataFrame@cut: ?, sklearn.Ridge.predict@predict -> self
    pandas.to_csv@cut: pandas.DataFrame@cut -> cut.csv
    pandas.read_csv@frame: in.csv -> return
    pandas.setitem@set: ?, pandas.read_csv@frame, sklearn.Ridge.predict@predict -> self
    pandas.to_csv@csv: pandas.setitem@set -> set.csv
    pandas.to_csv@ratio: ?, pandas.setitem@set, sklearn.Ridge.predict@predict -> ratio.csv
"""


def test_what_a_program_puts_into_a_known_array_is_of_unknown_origin(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    random = np.random.default_rng(0)
    for name in ("x.npy", "y.npy"):
        np.save(directory / name, random.normal(size=(50, 4)))
    np.savetxt(directory / "z.txt", random.normal(size=(3, 4)))
    (directory / "in.csv").write_text("v\n" + "\n".join(map(str, range(50))))
    recording = strangers.record(directory, PUT)
    assert recording.graph() == strangers.drawn(PUT_DRAWN)
    assert any("put into an array" in gap for gap in recording.gaps("set.csv"))
    assert recording.gaps("kept.csv") == recording.gaps("large.npy") == []


METHODS = """
    import inspect, pickle
    import numpy as np, pandas as pd
    frame = pd.read_csv("in.csv")  # @frame
    x = np.load("x.npy")  # @x
    features = frame[["k", "v"]].to_numpy().astype(np.float32)  # @features
    features.tofile("features.bin")  # @bin
    with open("first.bin", "wb") as file:
        features[:, 0].tofile(file)  # @first
    features.mean(axis=0).dump("means.pkl")  # @means
    kept = x.copy()
    kept.sort(axis=1)
    np.save("sorted.npy", kept)  # @sorted
    kept[0] = 0
    kept.sort()
    np.save("put.npy", kept)  # @put
    totals = np.empty(x.shape[1])
    x.sum(axis=0, out=totals)
    np.save("totals.npy", totals)  # @totals
    np.save("product.npy", features.dot(x[:2, :3]))  # @product
    np.save("flat.npy", features.T.reshape(-1))  # @flat
    np.save("order.npy", x[:, 0].argsort())  # @order
    np.save("limited.npy", x.clip(0, 1).round(2).cumsum(axis=0))  # @limited
    np.save("unknown.npy", np.ones(3).copy())  # @unknown
    try:
        x.astype("no type")
    except TypeError as error:
        print(error)
    print(pickle.loads(pickle.dumps(np.ndarray.astype)) is np.ndarray.astype)
    u, scale, v = np.linalg.svd(x, full_matrices=False)
    np.save("turned.npy", u)  # @svd
    copies = np.array(x, dtype="f4"), np.asarray(x[:, :2], dtype="f4"), np.tile(x, 2)
    np.savez("copies.npz", *copies)  # @copies
    np.save("listed.npy", np.array([features[0], features[1]]))  # @listed
    np.save("lists.npy", np.array([[1, 2], [3, 4]]))  # @lists
    for wrong in ((x,), (x, x, x, x)):
        try:
            np.dot(*wrong)
        except TypeError as error:
            print(error)
    left, right = np.eye(2), np.ones((2, 1))
    print(np.r_["0,2", 1:3, 5:7].shape, np.r_["left, right"].shape, np.dot(a=[1], b=[2]))
    print(np.matrix([[1, 2]]).copy(), np.ma.masked_less(x, 0).sum(axis=0).shape)
"""
METHODS_DRAWN = """
    pandas.read_csv@frame: in.csv -> return
    numpy.load@x: x.npy -> return
    pandas.to_numpy@features: pandas.read_csv@frame -> return
    numpy.ndarray.tofile@bin: pandas.to_numpy@features -> features.bin
    numpy.ndarray.tofile@first: pandas.to_numpy@features -> first.bin
    numpy.ndarray.dump@means: pandas.to_numpy@features -> means.pkl
    numpy.save@sorted: numpy.load@x -> sorted.npy
    numpy.save@put: ?, numpy.load@x -> put.npy
    numpy.save@totals: numpy.load@x -> totals.npy
    numpy.save@product: numpy.load@x, pandas.to_numpy@features -> product.npy
    numpy.save@flat: pandas.to_numpy@features -> flat.npy
    numpy.save@order: numpy.load@x -> order.npy
    numpy.save@limited: numpy.load@x -> limited.npy
    numpy.save@unknown: ? -> unknown.npy
    numpy.save@svd: numpy.load@x -> turned.npy
    numpy.savez@copies: numpy.load@x -> copies.npz
    numpy.save@listed: pandas.to_numpy@features -> listed.npy
    numpy.save@lists: ? -> lists.npy
"""


def test_methods_of_arrays_are_small_steps_and_writes(tmp_path: Path) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    np.save(directory / "x.npy", np.random.default_rng(0).normal(size=(9, 3)))
    (directory / "in.csv").write_text("k,v\n1,2.5\n2,3.5\n3,4.5\n")
    recording = strangers.record(directory, METHODS)
    assert recording.graph() == strangers.drawn(METHODS_DRAWN)
    assert recording.roots("means.pkl") == recording.roots("features.bin") == {"in.csv"}
    assert recording.roots("product.npy") == {"in.csv", "x.npy"}
    assert recording.outputs == [
        "data type 'no type' not understood\nTrue\n"
        "dot() missing 1 required positional argument: 'b'\n"
        "dot() takes from 2 to 3 positional arguments but 4 were given\n"
        "(2, 2) (2, 3) 2\n[[1 2]] (3,)\n"
    ]
