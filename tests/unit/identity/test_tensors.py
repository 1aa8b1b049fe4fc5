"""Ids of tensors, networks and optimizers of PyTorch (section 19); ``make torch`` runs this."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

import otelprov  # noqa: E402
from otelprov.artifacts import identify  # noqa: E402
from otelprov.recording import tensors  # noqa: E402

COMMON = (
    "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 float16 float32 float64 complex64 "
    "complex128"
).split()


@pytest.mark.parametrize("name", COMMON)
def test_a_tensor_has_the_id_of_the_array_of_the_same_content(name: str) -> None:
    array = (np.arange(24).reshape(2, 3, 4) % 7).astype(name)
    tensor = torch.from_numpy(array.copy())
    assert identify(tensor) == identify(array)
    assert identify(tensor.transpose(0, 2)).id == identify(array.transpose(2, 1, 0)).id
    assert identify(tensor[:, ::2, 1:]).id == identify(array[:, ::2, 1:]).id
    assert identify(tensor[1, 1, 1]).id == identify(array[1, 1, 1, ...]).id
    assert identify(tensor[:0]).id == identify(array[:0]).id
    assert identify(tensor[:1].expand(5, 3, 4)).id == identify(array[[0] * 5]).id


def test_what_is_no_content_is_not_in_the_id() -> None:
    plain = torch.arange(6.0)
    array = identify(plain.numpy()).id
    assert identify(plain.clone().requires_grad_()).id == array
    assert identify(torch.nn.Parameter(plain)).id == array
    values = torch.tensor([1 + 2j, 3 - 1j])
    assert identify(values.conj()).id == identify(values.numpy().conj()).id
    assert identify(values.conj().imag).id == identify(-values.numpy().imag).id
    nan = np.array([np.nan, -np.nan, 1], "f4")
    assert identify(torch.from_numpy(nan)).id == identify(nan).id


@pytest.mark.parametrize("name", ["bfloat16", "complex32", "float8_e4m3fn", "float8_e5m2"])
def test_types_that_numpy_lacks_have_ids_of_their_own(name: str) -> None:
    dtype = getattr(torch, name)
    tensor = torch.tensor([1.0, 2.0, 0.5]).to(dtype)
    found = identify(tensor)
    assert found.coverage == "full"
    assert found.id != identify(tensor.view(torch.uint8)).id
    assert found.id == identify(torch.tensor([1.0, 2.0, 0.5, 9.0]).to(dtype)[:3]).id
    assert found.id != identify(torch.tensor([1.0, 2.0, 0.25]).to(dtype)).id


def test_the_nans_of_bfloat16_are_one() -> None:
    bits = torch.tensor([0x7FC0, 0x7F81, -1], dtype=torch.int16)
    nans = bits.view(torch.bfloat16)
    assert bool(nans.isnan().all())
    assert identify(nans).id == identify(torch.full((3,), float("nan"), dtype=nans.dtype)).id
    infinite = torch.tensor([float("inf")] * 3, dtype=nans.dtype)
    assert identify(nans).id != identify(infinite).id


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: torch.ones(3, device="meta"), "meta"),
        (lambda: torch.eye(3).to_sparse(), "sparse_coo"),
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "qint8"),
        (lambda: torch._efficientzerotensor(3), "memory of its own"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_read_says_so(make: Any, reason: str) -> None:
    found = identify(make())
    assert found.coverage == "none"
    assert reason in (found.reason or "")


class Net(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, hidden: int = 4, slope: float = 0.1) -> None:
        super().__init__()
        self.slope = slope
        self.activation = torch.nn.functional.relu
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3, hidden), torch.nn.BatchNorm1d(hidden), torch.nn.LSTM(hidden, 2)
        )


def network(**options: Any) -> Any:
    torch.manual_seed(0)
    return Net(**options)


def test_a_network_is_its_class_its_settings_and_what_its_tensors_hold() -> None:
    first = network()
    found = identify(first)
    assert (found.kind, found.coverage) == ("model", "full")
    same = [network(), copy.deepcopy(first), pickle.loads(pickle.dumps(first)), network().eval()]
    assert {identify(one).id for one in same} == {found.id}
    hooked = network()
    hooked.register_forward_hook(lambda *_: None)
    assert identify(hooked).id == found.id
    other = [network(slope=0.2), network(hidden=5), first.layers, network(), network()]
    with torch.no_grad():
        other[3].layers[0].weight[0, 0] += 1
    other[4].layers[1].running_mean[0] = 9
    assert len({found.id, *(identify(one).id for one in other)}) == 6
    loaded = Net()
    loaded.load_state_dict(first.state_dict())
    assert identify(loaded).id == found.id


def test_to_identify_a_network_runs_no_code_of_its_class() -> None:
    class Loud(Net):
        def state_dict(self, *_: Any, **__: Any) -> Any:
            raise AssertionError

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    loud = Loud.__new__(Loud)
    loud.__dict__.update(vars(network()))
    assert identify(loud).coverage == "full"


def test_what_torch_compile_makes_is_that_network() -> None:
    first, second = network(), network(slope=0.2)
    assert identify(torch.compile(first)).id == identify(torch.compile(copy.deepcopy(first))).id
    assert identify(torch.compile(first)).id != identify(torch.compile(second)).id


def test_an_optimizer_is_its_options_and_its_state() -> None:
    def made(steps: int, **options: Any) -> str:
        net = torch.nn.Linear(2, 1)
        optimizer = torch.optim.Adam(net.parameters(), **options)
        for _ in range(steps):
            net.weight.grad, net.bias.grad = torch.ones(1, 2), torch.ones(1)
            optimizer.step()
        return identify(optimizer).id

    assert made(0) == made(0)
    assert made(2) == made(2)
    assert len({made(0), made(1), made(2), made(0, lr=0.5)}) == 4


def test_no_mode_of_the_program_sees_that_a_tensor_is_identified() -> None:
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    seen: list[Any] = []

    class Functions(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            seen.append(func)
            return func(*args, **(kwargs or {}))

    class Dispatch(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            seen.append(func)
            return func(*args, **(kwargs or {}))

    tensor, net = torch.ones(3, requires_grad=True), network()
    with Functions(), Dispatch():
        found = identify(tensor), identify(net), tensors.changes(net), tensors.lookup(tensor)
    assert (found[0].coverage, found[1].coverage) == ("full", "full")
    assert seen == []


def test_ids_are_the_same_in_another_process_and_stay_what_they_are() -> None:
    code = (
        "import torch; from otelprov.artifacts import identify;"
        "net = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU());"
        "torch.nn.init.constant_(net[0].weight, 0.5); torch.nn.init.constant_(net[0].bias, 0.25);"
        "print(identify(net).id, identify(net.state_dict()).id,"
        " identify(torch.tensor([1.0, 2.0]).to(torch.bfloat16)).id)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == FROZEN


FROZEN = [
    "model:8d502b437df4d70df6e909124ead27d446d5b7e3bfb7478e2ee5cf060453043a",
    "object:a36dbdde0d23fa9c60752ad47b75128e1e597961e7c65cb8d95c26ced44f3270",
    "array:133658d274ea8c2ae994fda1c27d30b274be8cbea281b76b00d9d9e70aad2656",
]


def test_a_description_of_the_programs_own_goes_first() -> None:
    code = (
        "import otelprov;"
        "otelprov.register_identity('torch.nn.Module', kind='model')(lambda module: 'mine');"
        "import torch; a, b = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1);"
        "print(otelprov.artifact(a).id == otelprov.artifact(b).id)"
    )
    for seed in "0123":
        result = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        )
        assert result.stdout == "True\n"


def test_importing_otelprov_imports_no_pytorch() -> None:
    code = (
        "import sys, otelprov.artifacts.objects, otelprov.recording.epochs;"
        "print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"
    assert otelprov.artifact(torch.ones(2)).kind == "array"
