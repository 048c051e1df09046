import json
import shutil

import pytest
import torch
from facts import naming
from safetensors.torch import load_file, save_file
from torch.nn.functional import interpolate
from transformers import DepthAnythingForDepthEstimation

from any2bokeh.depth.depth_anything import load_estimator
from any2bokeh.errors import DisparityError, ShapeError, WeightsError

CPU = torch.device("cpu")
ANY_KEY = "neck.convs.0.weight"
SIZE = (56, 98)


@pytest.fixture(scope="module")
def estimator(tiny_depth_network):
    return load_estimator(tiny_depth_network, CPU, torch.float32)


@pytest.fixture
def changed(tiny_depth_network, tmp_path):
    """A copy of the network's folder to break, and a function that edits its weights."""
    folder = shutil.copytree(tiny_depth_network, tmp_path / "network")

    def edit(change):
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return folder

    return edit


def load(folder):
    return load_estimator(folder, CPU, torch.float32)


@pytest.mark.parametrize("size", [(56, 98), (50, 100), (1, 3), (70, 41)])
def test_each_picture_gets_a_disparity_of_the_size_asked_for(estimator, size):
    disparity = estimator.estimate(torch.rand(3, 3, 45, 80), size)
    assert disparity.shape == (3, 1, *size)
    assert disparity.dtype == torch.float32


def test_disparity_follows_the_picture(estimator):
    assert estimator.estimate(torch.rand(1, 3, 45, 80), SIZE).std() > 0.1


def test_a_size_that_is_no_whole_number_of_patches_covers_the_same_picture(estimator):
    picture = torch.rand(1, 3, 56, 98)
    exact, larger = estimator.estimate(picture, (56, 98)), estimator.estimate(picture, (58, 101))
    expected = interpolate(exact, (58, 101), mode="bilinear", antialias=True)
    torch.testing.assert_close(larger, expected)


def test_frames_of_a_batch_do_not_influence_each_other(estimator):
    pictures = torch.rand(3, 3, 45, 80)
    together = estimator.estimate(pictures, SIZE)
    alone = torch.cat([estimator.estimate(picture[None], SIZE) for picture in pictures])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


def test_each_color_channel_matters(estimator):
    picture = torch.rand(1, 3, 56, 98)
    reference = estimator.estimate(picture, SIZE)
    for channel in range(3):
        changed = picture.clone()
        changed[:, channel] = 1 - changed[:, channel]
        assert (estimator.estimate(changed, SIZE) - reference).abs().max() > 0.01


def test_the_network_sees_what_the_published_processor_would_give_it(estimator, tiny_depth_network):
    network = DepthAnythingForDepthEstimation.from_pretrained(tiny_depth_network)
    picture = torch.rand(1, 3, 56, 98)  # already the working size: resizing changes nothing
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.no_grad():
        expected = network(pixel_values=(picture - mean) / std).predicted_depth
    torch.testing.assert_close(estimator.estimate(picture, SIZE)[:, 0], expected, rtol=1e-4, atol=1e-4)


def test_a_larger_picture_is_averaged_not_sampled(estimator):
    picture = torch.rand(1, 3, 56, 98)
    noise = torch.tensor([[0.2, -0.2], [-0.2, 0.2]]).repeat(112, 196)  # gone when 4 x 4 pixels become one
    large = picture.mul(0.5).add(0.25).repeat_interleave(4, 2).repeat_interleave(4, 3)
    plain, noisy = estimator.estimate(large, SIZE), estimator.estimate(large + noise, SIZE)
    assert (plain - noisy).abs().mean() < 0.05 * plain.std()


def test_reduced_precision_gives_nearly_the_same(estimator, tiny_depth_network):
    picture = torch.rand(1, 3, 56, 98)
    exact = estimator.estimate(picture, SIZE)
    rough = load_estimator(tiny_depth_network, CPU, torch.bfloat16).estimate(picture, SIZE)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.1 * exact.std()


def test_reduced_precision_leaves_no_steps(tiny_depth_network):
    estimator = load_estimator(tiny_depth_network, CPU, torch.bfloat16)
    disparity = estimator.estimate(torch.rand(1, 3, 112, 196), (112, 196))
    assert len(disparity.unique()) > 5000  # bfloat16 has 128 numbers from 1 to 2, 2 to 4, ..., 16 to 32


def test_pictures_of_another_shape_are_refused(estimator):
    with pytest.raises(ShapeError, match=naming("T 3 H W", (3, 45, 80))):
        estimator.estimate(torch.rand(3, 45, 80), SIZE)


def test_numbers_that_are_none_are_an_error(changed):
    folder = changed(lambda weights: weights["head.conv3.bias"].fill_(float("nan")))
    with pytest.raises(DisparityError, match=naming("not numbers", torch.float32)):
        load(folder).estimate(torch.rand(1, 3, 56, 56), SIZE)


def test_a_missing_key_is_named(changed):
    folder = changed(lambda weights: weights.pop(ANY_KEY))
    with pytest.raises(WeightsError, match=naming(f"{ANY_KEY} is missing")):
        load(folder)


def test_an_unknown_key_is_named(changed):
    folder = changed(lambda weights: weights.update({"head.conv9.weight": torch.zeros(2)}))
    with pytest.raises(WeightsError, match=naming("head.conv9.weight is unknown")):
        load(folder)


def test_a_wrong_shape_is_named_with_what_was_found_and_wanted(changed):
    folder = changed(lambda weights: weights.update({ANY_KEY: torch.zeros(2, 3)}))
    with pytest.raises(WeightsError, match=naming(ANY_KEY, "[2, 3]", "[8, 8, 3, 3]")):
        load(folder)


def test_several_problems_are_counted(changed):
    folder = changed(lambda weights: [weights.pop(key) for key in sorted(weights)[:3]])
    with pytest.raises(WeightsError, match=naming("2 more")):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["absent", "garbage", "truncated"])
def test_a_damaged_file_is_an_error_that_names_the_folder(changed, name, damage, capfd):
    folder = changed(lambda weights: None)
    path = folder / name
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(b"\xff\x00garbage" * 500 if damage == "garbage" else path.read_bytes()[:300])
    with pytest.raises(WeightsError, match=naming(folder)):
        load(folder)
    assert capfd.readouterr().err == ""


def test_a_pickle_is_never_read(changed):
    folder = changed(lambda weights: None)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=naming(folder)):
        load(folder)


@pytest.mark.parametrize(
    ("change", "named"), [({"model_type": "bert"}, "bert"), ({"depth_estimation_type": "metric"}, "metric")]
)
def test_another_kind_of_network_is_refused(changed, change, named):
    folder = changed(lambda weights: None)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(WeightsError, match=naming(folder, named)):
        load(folder)


def test_loading_says_nothing_on_stderr(tiny_depth_network, capfd):
    load(tiny_depth_network)
    assert capfd.readouterr().err == ""
