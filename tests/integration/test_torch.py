"""PyTorch, where it is installed: ``make torch`` makes an environment that has it."""

from __future__ import annotations

import gc
import io
import pickle
import subprocess
import sys
import textwrap
import weakref
from pathlib import Path
from typing import Any

import pytest
import support
from graphs import expected, graph

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

import otelprov  # noqa: E402
from otelprov.recording import epochs  # noqa: E402

NETWORK = """
    class Net(nn.Module):
        def __init__(self, hidden):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(2, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, 1)
            )

        def forward(self, x):
            return self.layers(x).squeeze(-1)
"""

TRAIN = f"""
    import copy
    import pandas as pd, torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset, random_split

{NETWORK}
    torch.manual_seed(0)
    df = pd.read_csv("houses.csv")
    X = torch.from_numpy(df[["rooms", "area"]].to_numpy(dtype="float32"))
    y = torch.from_numpy(df["price"].to_numpy(dtype="float32"))
    train, valid = random_split(TensorDataset(X, y), [80, 20])
    loader = DataLoader(train, batch_size=16, shuffle=True)
    check = DataLoader(valid, batch_size=20)
    model = Net(8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loss_fn = nn.MSELoss()
    best, best_state = float("inf"), None
    for epoch in range(2):
        model.train()
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(xb), yb)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            total = sum(loss_fn(model(xb), yb).item() for xb, yb in check)
        if total < best:
            best, best_state = total, copy.deepcopy(model.state_dict())
        print(epoch, total)
    torch.save(best_state, "model.pt")
    torch.save(
        {{"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 2}},
        "checkpoint.pt",
    )
    torch.save(model, "whole.pt", _use_new_zipfile_serialization=False)
"""

TRAINED = """
    pandas.read_csv: houses.csv -> return
    pandas.to_numpy: pandas.read_csv -> return
    pandas.to_numpy: pandas.read_csv -> return
    torch.DataLoader: pandas.to_numpy -> model
    torch.DataLoader: pandas.to_numpy ->
    torch.Net.forward: torch.DataLoader, pandas.to_numpy -> return
    torch.DataLoader: torch.DataLoader, pandas.to_numpy -> model
    torch.DataLoader: pandas.to_numpy ->
    torch.Net.forward: torch.DataLoader, pandas.to_numpy -> return
    torch.save: torch.DataLoader -> model.pt
    torch.save: torch.DataLoader -> checkpoint.pt
    torch.save: torch.DataLoader -> whole.pt
"""

PREDICT = f"""
    import pandas as pd, torch
    from torch import nn

{NETWORK}
    model = Net(8)
    model.load_state_dict(torch.load("model.pt", map_location="cpu", weights_only=True))
    model.eval()
    new = pd.read_csv("new.csv")
    X = torch.from_numpy(new[["rooms", "area"]].to_numpy(dtype="float32"))
    with torch.inference_mode():
        new["price"] = model(X).numpy()
    new.to_parquet("priced.parquet")
    print(new.price.sum())

    whole = torch.load("whole.pt", weights_only=False)
    whole.eval()
    pd.DataFrame({{"p": whole(X[:10]).detach().numpy()}}).to_csv("ten.csv")
    checkpoint = torch.load("checkpoint.pt")
    again = Net(8)
    again.load_state_dict(checkpoint["model"])
    torch.save(again.state_dict(), "again.pt")
"""

PREDICTED = """
    torch.load: model.pt -> return
    pandas.read_csv: new.csv -> return
    pandas.to_numpy: pandas.read_csv -> return
    torch.Net.forward: torch.load, pandas.to_numpy -> return
    pandas.setitem: pandas.read_csv, torch.Net.forward -> self
    pandas.to_parquet: pandas.setitem -> priced.parquet, content
    torch.load: whole.pt -> return
    torch.Net.forward: torch.load, pandas.to_numpy -> return
    pandas.DataFrame: torch.Net.forward -> self
    pandas.to_csv: pandas.DataFrame -> ten.csv
    torch.load: checkpoint.pt -> return
    torch.save: torch.load -> again.pt
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("torch")
    random = np.random.RandomState(0)
    houses = pd.DataFrame({"rooms": random.randint(1, 7, 100), "area": random.random_sample(100)})
    houses.head(30).to_csv(found / "new.csv", index=False)
    houses.assign(price=houses.rooms * 2 + houses.area).to_csv(found / "houses.csv", index=False)
    return found


def test_a_training_and_its_use_are_the_graph_drawn_by_hand_and_give_the_same_bits(
    directory: Path,
) -> None:
    journal = directory / "journal"
    outputs = []
    for name, text in (("train", TRAIN), ("predict", PREDICT)):
        script = directory / f"{name}.py"
        script.write_text(textwrap.dedent(text))
        plain = subprocess.run(
            [sys.executable, str(script)], cwd=directory, capture_output=True, check=True
        )
        before = {file.name: file.read_bytes() for file in directory.glob("*.pt")}
        before.pop("whole.pt", None)  # the old format names tensors by their addresses
        recorded = support.instrumented(script, journal_directory=journal, cwd=directory)
        assert recorded.stdout == plain.stdout.decode()
        for file, content in before.items():
            assert (directory / file).read_bytes() == content
        outputs.append(recorded.stdout)
    assert all(outputs)
    spans = support.journal(journal)
    assert graph(spans) == expected(TRAINED.strip() + "\n" + PREDICTED.strip())
    roots, _ = support.upstream(spans, otelprov.artifact(directory / "priced.parquet").id)
    assert roots == {otelprov.artifact(directory / one).id for one in ("houses.csv", "new.csv")}


# --- passes ---------------------------------------------------------------------------------------


class Setting:
    """A small network, an optimizer and data of unknown origin."""

    def __init__(self, optimizer: Any = None, **options: Any) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(3, 1)
        make = optimizer or torch.optim.SGD
        self.optimizer = make(self.model.parameters(), lr=0.1, **options)
        self.x, self.y = torch.randn(40, 3), torch.randn(40, 1)
        self.data = torch.utils.data.TensorDataset(self.x, self.y)

    def loader(self, **options: Any) -> Any:
        return torch.utils.data.DataLoader(self.data, batch_size=10, **options)

    def step(self, x: Any, y: Any) -> None:
        self.optimizer.zero_grad()
        ((self.model(x) - y) ** 2).mean().backward()
        self.optimizer.step()


def passes(spans: support.Spans) -> list[support.Recorded]:
    epochs.settle()
    return [span for span in spans.all() if span.name == "torch.DataLoader"]


def figures(span: support.Recorded) -> tuple[Any, Any]:
    return (
        span.attributes.get("otelprov.metric.batches"),
        span.attributes.get("otelprov.metric.samples"),
    )


def test_a_pass_counts_and_says_what_it_read_and_trained(spans: support.Spans) -> None:
    s = Setting()
    for x, y in s.loader():
        s.step(x, y)
    (one,) = passes(spans)
    assert one.attributes["otelprov.operation.kind"] == "train"
    assert figures(one) == (4, 40)
    assert one.used_ids == {otelprov.artifact(s.x).id, otelprov.artifact(s.y).id}
    (model,) = one.generated
    assert model["otelprov.artifact.kind"] == "model"
    torch.save(s.model.state_dict(), io.BytesIO())
    (saved,) = [span for span in spans.all() if span.name == "torch.save"]
    assert saved.used_ids == one.generated_ids


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {}),
        ("SGD", {"momentum": 0.9}),
        ("Adam", {}),
        ("AdamW", {"fused": True}),
        ("AdamW", {"foreach": True}),
        ("RMSprop", {}),
    ],
)
def test_the_steps_of_an_optimizer_are_seen(
    spans: support.Spans, name: str, options: dict[str, Any]
) -> None:
    s = Setting(getattr(torch.optim, name), **options)
    for x, y in s.loader():
        s.step(x, y)
    for _ in s.loader():
        pass
    trained, read = passes(spans)
    assert (len(trained.generated), len(read.generated)) == (1, 0)
    assert read.attributes["otelprov.operation.kind"] == "read"


def test_a_pass_that_is_left_early_ends_there(spans: support.Spans) -> None:
    s = Setting()
    for x, y in s.loader():
        s.step(x, y)
        break
    (one,) = passes(spans)
    assert figures(one) == (1, 10)
    assert len(one.generated) == 1


def test_passes_in_passes_are_told_apart(spans: support.Spans) -> None:
    s = Setting()
    check = s.loader()
    for x, y in s.loader():
        s.step(x, y)
        for _ in check:
            pass
    found = passes(spans)
    assert sorted(map(figures, found)) == [(4, 40)] * 5
    assert [len(one.generated) for one in sorted(found, key=lambda one: one.start)] == [
        1, 0, 0, 0, 0,
    ]  # fmt: skip


def test_a_network_that_is_saved_in_the_middle_of_a_pass_comes_from_that_pass(
    spans: support.Spans,
) -> None:
    s = Setting()
    for number, (x, y) in enumerate(s.loader()):
        s.step(x, y)
        if number == 1:
            torch.save(s.model, io.BytesIO())
    torch.save(s.model, io.BytesIO())
    (one,) = passes(spans)
    first, second = [span.used_ids for span in spans.all() if span.name == "torch.save"]
    assert first != second
    assert first | second <= one.generated_ids


def test_a_data_set_that_raises_ends_its_pass_with_the_error(spans: support.Spans) -> None:
    class Bad(torch.utils.data.Dataset):  # type: ignore[misc]
        def __init__(self) -> None:
            self.frame = pd.DataFrame({"a": range(60)})

        def __len__(self) -> int:
            return 60

        def __getitem__(self, index: int) -> Any:
            if index == 25:
                raise LookupError("no such house")
            return torch.tensor(self.frame.a[index])

    data = Bad()
    with pytest.raises(LookupError) as raised:
        for _ in torch.utils.data.DataLoader(data, batch_size=10):
            pass
    frames = [entry.name for entry in raised.traceback]
    assert "wrapper" not in frames
    (one,) = passes(spans)
    assert one.attributes["error.type"] == "LookupError"
    assert figures(one) == (2, 20)
    assert one.used_ids == {otelprov.artifact(data.frame).id}


def test_of_a_data_set_that_holds_nothing_the_name_is_known_and_no_more(
    spans: support.Spans,
) -> None:
    class Stream(torch.utils.data.IterableDataset):  # type: ignore[misc]
        def __iter__(self) -> Any:
            return iter([torch.zeros(2)] * 5)

    for _ in torch.utils.data.DataLoader(Stream(), batch_size=2):
        pass
    (one,) = passes(spans)
    (used,) = one.used
    assert used["otelprov.artifact.name"] == "Stream"
    assert used["otelprov.artifact.coverage"] == "none"
    assert figures(one) == (3, 5)


@pytest.mark.parametrize("persistent", [False, True])
def test_batches_of_workers_are_counted(spans: support.Spans, persistent: bool) -> None:
    s = Setting()
    loader = s.loader(num_workers=2, persistent_workers=persistent)
    for _ in range(2):
        for x, y in loader:
            s.step(x, y)
    for _ in loader:
        break
    for _ in loader:
        pass
    found = sorted(passes(spans), key=lambda one: one.start)
    assert [figures(one) for one in found] == [(4, 40), (4, 40), (1, 10), (4, 40)]
    assert [len(one.generated) for one in found] == [1, 1, 0, 0]


def test_nothing_that_a_pass_gave_or_trained_is_kept_alive(spans: support.Spans) -> None:
    s = Setting()
    batches = []
    for x, y in s.loader():
        s.step(x, y)
        batches.append(weakref.ref(x))
    kept = [weakref.ref(one) for one in (s.model, s.model.weight, s.optimizer, s.x, s.data)]
    epochs.settle()
    del s, x, y
    gc.collect()
    assert [one() for one in (*kept, *batches)] == [None] * (len(kept) + len(batches))
    assert passes(spans)


# --- what is saved and loaded ---------------------------------------------------------------------


@pytest.mark.parametrize("to", ["path", "pathlib", "file", "memory", "legacy"])
@pytest.mark.parametrize("what", ["network", "state", "dict", "tensor"])
def test_what_is_saved_is_known_where_it_is_loaded(
    spans: support.Spans, tmp_path: Path, what: str, to: str
) -> None:
    network = torch.nn.Linear(20, 20)
    value = {
        "network": network,
        "state": network.state_dict(),
        "dict": {"model": network.state_dict(), "epoch": 3},
        "tensor": torch.arange(1000.0),
    }[what]
    path: Any = tmp_path / "it.pt"
    if to == "memory":
        path = io.BytesIO()
        torch.save(value, path)
        path.seek(0)
    elif to == "file":
        with path.open("wb") as file:
            torch.save(value, file)
    else:
        legacy = {"_use_new_zipfile_serialization": False} if to == "legacy" else {}
        torch.save(value, str(path) if to == "path" else path, **legacy)
    loaded = torch.load(path, weights_only=what != "network")
    (saved,) = [span for span in spans.all() if span.name == "torch.save"]
    (read,) = [span for span in spans.all() if span.name == "torch.load"]
    assert saved.generated_ids == read.used_ids
    assert saved.used_ids == {otelprov.artifact(value).id}
    assert {saved.generated[0]["otelprov.artifact.content_id"]} == read.generated_ids
    assert otelprov.artifact(loaded).id in read.generated_ids or isinstance(loaded, dict)


def test_a_mapped_file_is_not_read(spans: support.Spans, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(5_000_000)}, tmp_path / "it.pt")  # 20 MB
    loaded = torch.load(tmp_path / "it.pt", mmap=True)
    torch.save(loaded["a"][:10].clone(), tmp_path / "clone.pt")
    torch.save(loaded["a"], tmp_path / "again.pt")
    (read,) = [span for span in spans.all() if span.name == "torch.load"]
    assert read.used[0]["otelprov.artifact.coverage"] == "status"
    assert read.used_ids < {id_ for span in spans.all() for id_ in span.generated_ids}
    clone, again = [span for span in spans.all() if span.name == "torch.save"][1:]
    assert clone.used[0]["otelprov.artifact.origin"] == "unknown"
    assert again.used_ids == read.generated_ids


def test_files_of_safetensors_lead_on(spans: support.Spans, tmp_path: Path) -> None:
    files = pytest.importorskip("safetensors.torch")
    s = Setting()
    for x, y in s.loader():
        s.step(x, y)
    files.save_file(s.model.state_dict(), tmp_path / "it.safetensors")
    again = torch.nn.Linear(3, 1)
    again.load_state_dict(files.load_file(tmp_path / "it.safetensors"))
    with torch.no_grad():
        again(s.x)
    names = {span.name: span for span in spans.all()}
    saved, read = names["safetensors.save_file"], names["safetensors.load_file"]
    assert saved.used_ids == passes(spans)[0].generated_ids
    assert saved.generated_ids == read.used_ids
    assert read.generated_ids < names["torch.Linear.forward"].used_ids


# --- do no harm -----------------------------------------------------------------------------------


def test_loaders_networks_and_functions_are_pickled_as_before(spans: support.Spans) -> None:
    s = Setting()
    loader = s.loader()
    before = pickle.dumps(loader), pickle.dumps(s.model), pickle.dumps(s.optimizer)
    for _ in loader:
        pass
    assert (pickle.dumps(loader), pickle.dumps(s.model), pickle.dumps(s.optimizer)) == before
    for function in (
        torch.save, torch.load, torch.nn.Module.__call__, torch.nn.Module.load_state_dict,
        torch.utils.data.DataLoader.__iter__, torch.optim.Optimizer.__init__,
    ):  # fmt: skip
        assert pickle.loads(pickle.dumps(function)) is function


HARMLESS = """
    import sys, traceback, torch
    import torch._dynamo as dynamo
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU())

        def forward(self, x):
            return self.b(torch.relu(self.a(x)))

    torch.manual_seed(0)
    net, x = Net(), torch.ones(2, 4)
    for mode in (True, False):
        net.train(mode)
        for compiled in (net, net.forward, lambda x: net(x) * 2):
            dynamo.reset()
            dynamo.utils.counters.clear()
            made = torch.compile(compiled, backend="eager", fullgraph=True)
            print(made(x).tolist(), made(torch.ones(3, 4)).tolist())
            with torch.no_grad():
                print(made(x).tolist())
            print({name: dict(found) for name, found in dynamo.utils.counters.items()})
        print(torch.jit.script(net)(x).tolist(), torch.jit.trace(net, x)(x).tolist())
        print([node.name for node in torch.fx.symbolic_trace(net).graph.nodes])
        print(len(torch.export.export(net, (x,)).graph.nodes), torch.vmap(net)(x).tolist())
        try:
            net(torch.ones(2, 5))
        except RuntimeError as error:
            print([frame.name for frame in traceback.extract_tb(error.__traceback__)])
    with torch.device("meta"):
        print(torch.tensor([1]).device, nn.Linear(1, 1).weight.device)
"""


def test_compiled_scripted_traced_and_exported_networks_are_what_they_were(tmp_path: Path) -> None:
    script = tmp_path / "harmless.py"
    script.write_text(textwrap.dedent(HARMLESS))
    plain = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    recorded = support.instrumented(script, journal_directory=tmp_path / "journal", cwd=tmp_path)
    assert recorded.stdout == plain.stdout
