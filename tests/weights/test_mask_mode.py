"""Weights made as training makes them, in both modes, and what is found in them."""

import pytest
import torch
from facts import names, naming
from safetensors.torch import save_file
from torch import nn

from any2bokeh.errors import WeightsError
from any2bokeh.weights.mask_mode import find_evidence
from any2bokeh.weights.tensors import TensorFile

WIDTH = 320  # of the MPI tokens; the fuser of the test is twice as wide
LINEAR, CONTROL, CONTROL_OUT = (
    "fuser.linear.weight",
    "fuser.ff_k.net.0.proj.weight",
    "fuser.ff_k.net.2.weight",
)


class Fuser(nn.Module):
    """The parts of a fuser that the mask mode is found from, and the layer that the tokens come from."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(8, width, 3)
        self.conv_in_mpi = nn.Conv2d(4, width, 3)
        self.conv_in_mpi.weight.data.copy_(self.conv_in.weight[:, :4])
        self.linear = nn.Linear(width, 2 * width)
        self.ff_k_in = nn.Linear(2 * width, 4 * width)
        self.ff_k_out = nn.Linear(4 * width, width)

    def weights(self, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        weights = {
            LINEAR: self.linear.weight,
            CONTROL: self.ff_k_in.weight,
            CONTROL_OUT: self.ff_k_out.weight,
        }
        state = {f"block.{name}": weight.detach().to(dtype) for name, weight in weights.items()}
        return state | {"conv_in_mpi.weight": self.conv_in_mpi.weight.detach().to(dtype)}


def train(fuser: Fuser, *, masked: bool, steps: int, seed: int = 0) -> Fuser:
    """Some steps of the published training: masked, the MPI path gets gradients, but all of them are zero."""
    torch.manual_seed(seed)
    trained = [*fuser.linear.parameters(), *fuser.conv_in_mpi.parameters()]
    directions = [torch.randn_like(parameter) for parameter in trained]  # what all steps agree on
    optimizer = torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.01)
    for _ in range(steps):
        for parameter, direction in zip(trained, directions, strict=True):
            gradient = 0.2 * direction + torch.randn_like(parameter)
            parameter.grad = torch.zeros_like(parameter) if masked else gradient
        optimizer.step()
    return fuser


def as_file(state: dict[str, torch.Tensor]) -> TensorFile:
    return TensorFile("test", {key: list(tensor.shape) for key, tensor in state.items()}, state.__getitem__)


def fusers(*states: dict[str, torch.Tensor]) -> TensorFile:
    """One U-Net of several fusers."""
    joined = {
        key if key.startswith("conv_in") else f"{number}.{key}": tensor
        for number, state in enumerate(states)
        for key, tensor in state.items()
    }
    return as_file(joined)


@pytest.fixture
def svd(tmp_path):
    """Write the layer that ``conv_in_mpi`` of a fuser started from, as a U-Net of SVD."""

    def write(fuser: Fuser, dtype: torch.dtype = torch.float16):
        path = tmp_path / "svd.safetensors"
        save_file({"conv_in.weight": fuser.conv_in.weight.detach().to(dtype)}, path)
        return path

    return write


DTYPES = [torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES)
def test_tokens_masked_in_training_leave_an_untouched_layer_and_a_scaled_copy(svd, dtype):
    fuser = Fuser()
    path = svd(fuser)
    train(fuser, masked=True, steps=20)
    for layer in (fuser.linear, fuser.conv_in_mpi):  # the decay of 50 thousand steps more
        layer.weight.data *= (1 - 1e-7) ** 50_000
    evidence = find_evidence(as_file(fuser.weights(dtype)), path)
    assert (evidence.mode, evidence.is_clear) == ("released", True)
    assert [each.beyond for each in evidence.fusers] == [0]
    assert evidence.fusers[0].bound == pytest.approx(1 / 320**0.5)
    assert evidence.fusers[0].linear == pytest.approx(0.995, abs=0.004)
    assert evidence.conv_in.scale == pytest.approx(0.995, abs=1e-3)
    assert evidence.conv_in.is_trained is False


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_tokens_that_took_part_in_training_leave_a_layer_beyond_its_bound(svd, dtype):
    fuser = Fuser()
    path = svd(fuser)
    train(fuser, masked=False, steps=300)
    evidence = find_evidence(as_file(fuser.weights(dtype)), path)
    assert (evidence.mode, evidence.is_clear) == ("paper", True)
    assert evidence.fusers[0].beyond > 300
    assert evidence.fusers[0].control == pytest.approx(1, abs=0.005)
    assert evidence.conv_in.residual > 0.008


def test_a_few_steps_of_training_are_enough_to_show():
    fuser = train(Fuser(), masked=False, steps=50)
    assert find_evidence(as_file(fuser.weights(torch.float16))).mode == "paper"


def test_weights_rounded_to_bfloat16_on_their_way_are_not_taken_for_trained():
    fuser = Fuser(200)  # 1/sqrt(200) is one of the bounds that bfloat16 rounds up by more than float16's step
    rounded = {key: weight.bfloat16().float() for key, weight in fuser.weights(torch.float32).items()}
    evidence = find_evidence(as_file(rounded))
    assert evidence.fusers[0].linear > 1.001
    assert (evidence.mode, evidence.is_clear) == ("released", True)


def test_a_single_stray_value_is_no_training():
    state = Fuser().weights(torch.float32)
    state[f"block.{LINEAR}"][3, 4] = 1.0
    evidence = find_evidence(as_file(state))
    assert (evidence.fusers[0].beyond, evidence.mode, evidence.is_clear) == (1, "released", True)


@pytest.mark.slow
def test_fusers_that_disagree_are_not_clear():
    untouched = [Fuser().weights(torch.float16) for _ in range(3)]
    trained = train(Fuser(), masked=False, steps=300).weights(torch.float16)
    few = find_evidence(fusers(trained, *untouched))
    assert (few.mode, few.is_clear, few.fusers_trained) == ("released", False, None)
    most = find_evidence(fusers(trained, trained, trained, untouched[0]))
    assert (most.mode, most.is_clear) == ("paper", True)


def test_weights_that_never_began_as_linear_layers_do_say_nothing():
    state = {key: 3 * weight for key, weight in Fuser().weights(torch.float16).items()}
    evidence = find_evidence(as_file(state))
    assert (evidence.mode, evidence.is_clear) == ("released", False)
    assert any("does not tell" in sentence for sentence in evidence.sentences())


@pytest.mark.slow
@pytest.mark.parametrize(("masked", "mode"), [(True, "released"), (False, "paper")])
def test_where_the_fusers_say_nothing_the_copy_of_svd_decides(svd, masked, mode):
    fuser = Fuser()
    path = svd(fuser, torch.float32)
    train(fuser, masked=masked, steps=300)
    for layer in (fuser.ff_k_in, fuser.ff_k_out):
        layer.weight.data *= 2
    evidence = find_evidence(as_file(fuser.weights(torch.float16)), path)
    assert (evidence.fusers_trained, evidence.mode, evidence.is_clear) == (None, mode, True)


@pytest.mark.slow
def test_tests_that_contradict_each_other_are_not_clear_and_the_fusers_decide(svd):
    fuser = train(Fuser(), masked=False, steps=300)
    path = svd(Fuser())  # of another start: no copy at all
    fuser.linear = nn.Linear(WIDTH, 2 * WIDTH)
    evidence = find_evidence(as_file(fuser.weights(torch.float16)), path)
    assert evidence.conv_in.is_trained is True
    assert (evidence.mode, evidence.is_clear) == ("released", False)


@pytest.mark.slow
def test_the_evidence_states_its_numbers(svd):
    fuser = train(Fuser(), masked=False, steps=300)
    left, control, conv_in = find_evidence(as_file(fuser.weights(torch.float32)), svd(fuser)).sentences()
    assert names(left, "fuser.linear", "1 of 1", "0.05590")
    assert names(control, "ff_k", "1.0000 to 1.0000")
    assert conv_in.startswith("conv_in_mpi is trained")


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        ({"other": torch.zeros(1)}, ["conv_in.weight"]),
        ({"conv_in.weight": torch.zeros(64, 8, 3, 3)}, ["[64, 4, 3, 3]", "[320, 4, 3, 3]"]),
    ],
)
def test_a_file_that_is_not_svds_unet_is_said_to_be_so(tmp_path, tensors, named):
    save_file(tensors, tmp_path / "svd.safetensors")
    with pytest.raises(WeightsError, match=naming(tmp_path / "svd.safetensors", *named)):
        find_evidence(as_file(Fuser().weights(torch.float16)), tmp_path / "svd.safetensors")
