import pytest
import torch
from torch.nn.functional import interpolate

from any2bokeh.depth.stabilization import Stabilizer
from any2bokeh.motion.flow import flow_between, prepare_picture

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
    """The disparity of frames that all are estimated."""
    stabilizer, before, steady = Stabilizer(), None, []
    for picture, _, raw in frames:
        view = prepare_picture(picture)
        back = flow_between(view.gray, before.gray)[0] if before else None
        steady.append(torch.from_numpy(stabilizer.stabilize(raw[0].numpy(), view, back))[None])
        before = view
    return torch.stack(steady)


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


@pytest.mark.slow
def test_a_still_clip_keeps_a_quarter_of_the_error_and_a_tenth_of_the_flicker():
    frames = list(estimates(Film(), 40))
    _, exact, raw = columns(frames)
    steady = steadied(frames)
    assert errors(steady, exact).mean() < 0.25 * errors(raw, exact).mean()
    assert steady.diff(dim=0).abs().mean() < 0.1 * raw.diff(dim=0).abs().mean()


def test_scale_and_shift_are_removed_where_there_is_no_noise():
    frames = list(estimates(Film(), 20, noise=0, grain=0))
    _, exact, raw = columns(frames)
    assert errors(steadied(frames), exact).mean() < 0.12 * errors(raw, exact).mean()


@pytest.mark.slow
@pytest.mark.parametrize("pan_px", [1, 4])
def test_a_moving_camera_keeps_its_scale(pan_px):
    frames = list(estimates(Film(pan_px=pan_px), 40, noise=0.002))
    _, exact, raw = columns(frames)
    assert errors(steadied(frames), exact).mean() < 0.35 * errors(raw, exact).mean()


@pytest.mark.slow
@pytest.mark.parametrize("speed_px", [0.25, 1, 3])
def test_nothing_is_dragged_behind_a_moving_object(speed_px):
    film = Film(speed_px=speed_px)
    frames = list(estimates(film, 30, wobble=0, noise=0))  # the remaining error is the stabilizer's own
    exact = columns(frames)[1]
    error = errors(steadied(frames), exact)
    for number in range(1, 30):
        around = (0, *film.place(number, margin=6))
        assert error[number][around].mean() < 0.015, number


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_scale_does_not_drift_over_a_long_clip():
    frames = list(estimates(Film(), 200, noise=0.05))
    exact, steady = frames[0][1], steadied(frames)
    slopes = [slope(steady[start : start + 50].mean(dim=0), exact) / SCALE for start in range(0, 200, 50)]
    assert min(slopes) > 0.9 and max(slopes) < 1.1


def test_without_a_way_back_it_starts_anew():
    stabilizer = Stabilizer()
    for picture, _, raw in estimates(Film(), 3):
        assert (stabilizer.stabilize(raw[0].numpy(), prepare_picture(picture), None) == raw[0].numpy()).all()


@pytest.mark.slow
@pytest.mark.parametrize("pan_px", [0, 2])
def test_the_error_is_hardly_that_of_the_noise_alone(pan_px):
    frames = list(estimates(Film(pan_px=pan_px), 40))
    _, exact, _ = columns(frames)
    _, _, noisy = columns(list(estimates(Film(pan_px=pan_px), 40, wobble=0)))  # the same noise
    assert errors(steadied(frames), exact).mean() < 1.5 * errors(noisy, exact).mean()


@pytest.mark.slow
def test_a_camera_that_comes_nearer_is_followed():
    generator, film = torch.Generator().manual_seed(0), Film()
    picture, disparity = film.frame(0)
    frames = []
    for number in range(120):  # all disparity grows by a half, and nothing in the picture tells of it
        exact = disparity * (1 + 0.5 * min(number / 60, 1))
        wobble = 1 + 0.1 * (2 * torch.rand(1, generator=generator) - 1)
        frames.append((picture, exact, SCALE * wobble * exact))
    steady = steadied(frames) / SCALE
    assert slope(steady[-30:].mean(dim=0), frames[-1][1]) == pytest.approx(1, abs=0.07)


@pytest.mark.parametrize("value", [0.0, 7.5])
def test_disparity_of_one_value_stays_what_it_is(value):
    raw = torch.full((1, 40, 60), value)
    steady = steadied([(torch.rand(3, 40, 60), None, raw)] * 3)
    torch.testing.assert_close(steady, raw.expand(3, 1, 40, 60))


def test_a_wall_at_one_disparity_does_not_decide_the_scale():
    film, frames = Film(pan_px=2), []
    for number in range(20):
        picture, disparity = film.frame(number)
        disparity[:, : HEIGHT * 2 // 3] = 0.2  # carried without any error, wherever the flow leads
        frames.append((picture, disparity, disparity * SCALE + SHIFT))
    _, exact, _ = columns(frames)
    assert errors(steadied(frames), exact).mean() < 0.005
