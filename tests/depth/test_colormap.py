import torch

from any2bokeh.depth.colormap import colorize


def test_the_nearer_the_brighter() -> None:
    red, green, blue = colorize(torch.linspace(0, 1, 256).view(1, 1, 256))
    brightness = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert (brightness.diff(dim=1) > 0).all()


def test_colors_are_those_of_inferno() -> None:
    # matplotlib's own table at 0, 1/2 and 1
    expected = [
        (0.001462, 0.000466, 0.013866),
        (0.735683, 0.215906, 0.330245),
        (0.988362, 0.998364, 0.644924),
    ]
    colors = colorize(torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 3))[:, 0].T
    torch.testing.assert_close(colors, torch.tensor(expected), rtol=0, atol=0.02)


def test_values_outside_0_to_1_take_the_colors_of_the_ends() -> None:
    colors = colorize(torch.tensor([-1.0, 0.0, 1.0, 2.0]).view(1, 2, 2))
    assert colors.shape == (3, 2, 2)
    assert torch.equal(colors[:, 0, 0], colors[:, 0, 1])
    assert torch.equal(colors[:, 1, 0], colors[:, 1, 1])
    assert colors.min() >= 0 and colors.max() <= 1
