import pytest
import torch
from torch.nn.functional import interpolate

from any2bokeh.depth.steady import Steadier
from any2bokeh.errors import ShapeError

HEIGHT, WIDTH, OBJECT = 84, 140, 28
SCALE, SHIFT = 20.0, 3.0  # what the network's numbers look like


def smooth_noise(generator, channels=1, grid=9):
    noise = torch.randn(1, channels, grid, grid * WIDTH // HEIGHT, generator=generator)
    return interpolate(noise, (HEIGHT, WIDTH), mode="bicubic")[0]


class Film:
    """A textured slope with a textured square before it: pictures and the exact disparity of each frame."""

    def __init__(self, seed=0, pan_px=0.0, speed_px=0.0, brightness=0.5):
        generator = torch.Generator().manual_seed(seed)
        self.pan_px, self.speed_px = pan_px, speed_px
        wall = torch.rand(1, 3, HEIGHT // 3, 400, generator=generator) * 0.5 + brightness - 0.25
        self.wall = interpolate(wall, (HEIGHT, 1200), mode="bilinear")[0]
        self.square = torch.rand(3, OBJECT, OBJECT, generator=generator) * 0.5 + 0.5

    def frame(self, number):
        x, y = torch.arange(WIDTH) + int(number * self.pan_px), torch.linspace(0, 1, HEIGHT)[:, None]
        picture = self.wall[:, :, x].clone()
        disparity = (0.1 + 0.4 * y + 0.05 * torch.sin(x / 15))[None]
        place = self.place(number)
        picture[:, *place] = self.square
        disparity[:, *place] = 0.9
        return picture, disparity

    def place(self, number, margin=0):
        left = 10 + int(number * self.speed_px)
        return slice(30 - margin, 30 + OBJECT + margin), slice(left - margin, left + OBJECT + margin)


def estimates(film, count, wobble=0.1, noise=0.01, grain=0.01):
    """Pictures, exact disparity, and what a network makes of it: another scale and shift for every frame."""
    generator = torch.Generator().manual_seed(1)
    for number in range(count):
        picture, disparity = film.frame(number)
        scale, shift = 1 + wobble * (2 * torch.rand(2, generator=generator) - 1)
        rough = disparity + noise * smooth_noise(generator)
        picture = picture + grain * torch.randn(picture.shape, generator=generator)
        yield picture.clamp(0, 1), disparity, SCALE * scale * rough + SHIFT * shift


def steadied(frames):
    steadier = Steadier()
    return torch.stack([steadier.steady(raw, picture)[0] for picture, _, raw in frames])


def errors(disparity, exact):
    """Each pixel's distance from the truth, after one scale and one shift for the whole clip."""
    x, y = disparity.double(), exact.double()
    scale = ((x - x.mean()) * (y - y.mean())).mean() / x.var(correction=0)
    return (scale * (x - x.mean()) + y.mean() - y).abs()


def slope(disparity, exact):
    x, y = exact.double(), disparity.double()
    return float(((x - x.mean()) * (y - y.mean())).mean() / x.var(correction=0))


def columns(frames):
    return [torch.stack(column) for column in zip(*frames, strict=True)]


def test_a_still_clip_keeps_a_tenth_of_the_wobble_and_of_the_flicker():
    frames = list(estimates(Film(), 40))
    _, exact, raw = columns(frames)
    steady = steadied(frames)
    assert errors(steady, exact).mean() < 0.15 * errors(raw, exact).mean()
    assert steady.diff(dim=0).abs().mean() < 0.1 * raw.diff(dim=0).abs().mean()


def test_scale_and_shift_are_removed_completely_where_there_is_no_noise():
    frames = list(estimates(Film(), 20, noise=0, grain=0))
    _, exact, raw = columns(frames)
    assert errors(steadied(frames), exact).mean() < 0.05 * errors(raw, exact).mean()


@pytest.mark.parametrize("pan_px", [1, 4])
def test_a_moving_camera_keeps_its_scale(pan_px):
    frames = list(estimates(Film(pan_px=pan_px), 40, noise=0.002))
    _, exact, raw = columns(frames)
    assert errors(steadied(frames), exact).mean() < 0.35 * errors(raw, exact).mean()


@pytest.mark.parametrize("speed_px", [0.25, 1, 3])
def test_nothing_is_dragged_behind_a_moving_object(speed_px):
    film = Film(speed_px=speed_px)
    frames = list(estimates(film, 30, wobble=0, noise=0))  # what is left of the error is the steadier's own
    exact = columns(frames)[1]
    error = errors(steadied(frames), exact)
    for number in range(1, 30):
        around = (0, *film.place(number, margin=6))
        assert error[number][around].mean() < 0.015, number


@pytest.mark.parametrize("speed_px", [0.25, 1, 3])
def test_a_moving_object_is_no_worse_than_unsteadied_and_its_surroundings_are_better(speed_px):
    film = Film(speed_px=speed_px)
    frames = list(estimates(film, 30))
    _, exact, raw = columns(frames)
    after, before = errors(steadied(frames), exact), errors(raw, exact)
    near = torch.zeros_like(exact, dtype=torch.bool)
    for number in range(30):
        near[(number, 0, *film.place(number, margin=6))] = True
    assert after[near].mean() < 0.6 * before[near].mean()
    assert after[~near].mean() < 0.3 * before[~near].mean()


@pytest.mark.parametrize("pan_px", [0, 2])
def test_a_third_of_the_picture_that_leaps_does_not_push_the_rest_away(pan_px):
    film, frames = Film(pan_px=pan_px), []
    for number in range(10):
        picture, disparity = film.frame(number)
        if number % 2:
            disparity[:, :, -WIDTH // 3 :] += 0.4
        frames.append((picture, disparity, disparity * SCALE + SHIFT))
    exact, steady = columns(frames)[1], steadied(frames)
    rest = ((steady - SHIFT) / SCALE - exact)[:, :, :, : -WIDTH // 3]
    assert rest.abs().mean() < 0.02


def test_the_scale_does_not_drift_over_a_long_clip():
    frames = list(estimates(Film(), 300, noise=0.05))
    exact, steady = frames[0][1], steadied(frames)
    slopes = [slope(steady[start : start + 50].mean(dim=0), exact) / SCALE for start in range(0, 300, 50)]
    assert min(slopes) > 0.9 and max(slopes) < 1.1


def test_a_cut_begins_a_new_shot():
    first, second = Film(seed=0, brightness=0.3), Film(seed=2, brightness=0.7)
    steadier = Steadier()
    begun = [steadier.steady(raw, picture)[1] for picture, _, raw in estimates(first, 5)]
    after_cut = list(estimates(second, 5))
    picture, _, raw = after_cut[0]
    steady, new_shot = steadier.steady(raw, picture)
    assert begun == [True, False, False, False, False]
    assert new_shot
    torch.testing.assert_close(steady, raw)
    assert not any(steadier.steady(raw, picture)[1] for picture, _, raw in after_cut[1:])


def test_a_pan_and_a_flicker_of_light_are_no_cuts():
    steadier = Steadier()
    for number, (picture, _, raw) in enumerate(estimates(Film(pan_px=6), 30)):
        light = 1 + 0.1 * (number % 2)
        assert steadier.steady(raw, (picture * light).clamp(0, 1))[1] == (number == 0)


@pytest.mark.parametrize("value", [0.0, 7.5])
def test_disparity_of_one_value_stays_what_it_is(value):
    steadier, picture = Steadier(), torch.rand(3, 20, 30)
    for _ in range(3):
        steady, _ = steadier.steady(torch.full((1, 20, 30), value), picture)
        torch.testing.assert_close(steady, torch.full((1, 20, 30), value))


def test_the_picture_may_have_another_size_than_the_disparity():
    picture, _, raw = next(estimates(Film(), 1))
    large = interpolate(picture[None], scale_factor=3)[0]
    steadier = Steadier()
    assert steadier.steady(raw, large)[0].shape == raw.shape
    assert steadier.steady(raw, large)[0].shape == raw.shape


def test_other_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"steady takes 1 h w and 3 H W, got \(20, 30\) and \(3, 20, 30\)"):
        Steadier().steady(torch.rand(20, 30), torch.rand(3, 20, 30))
