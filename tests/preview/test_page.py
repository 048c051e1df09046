"""What a page is made of: packed disparity, pictures that fit, moments and blur strengths."""

import json
import re
import zlib
from fractions import Fraction

import numpy as np
import pytest
import torch

from any2bokeh.preview.pack import LARGEST_CODE, ByteBudget, pack, webps
from any2bokeh.preview.page import blur_values, fill, format_time
from any2bokeh.settings.values import parse_time


@pytest.mark.parametrize(
    ("time_s", "text"),
    [
        (Fraction(0), "0s"),
        (Fraction(1, 24), "0.042s"),
        (Fraction(5, 2), "2.5s"),
        (Fraction(10000, 3), "3333.334s"),
    ],
)
def test_a_moment_is_never_before_its_frame(time_s: Fraction, text: str) -> None:
    assert format_time(Fraction(time_s)) == text
    seconds = parse_time(text).seconds
    assert seconds is not None and 0 <= seconds - time_s < Fraction(1, 1000)


def test_blur_strengths_double_up_to_the_one_asked_for() -> None:
    assert blur_values(16, 3) == [8, 16, 32]
    assert blur_values(100, 3) == [25, 50, 100]
    assert blur_values(0, 1) == [32]


def test_what_is_packed_is_small_where_disparity_is_smooth() -> None:
    smooth = torch.linspace(0, 1, 480).expand(1, 270, 480)
    assert len(pack(smooth)) < 2000
    assert len(pack(torch.rand(1, 270, 480))) < 2 * 270 * 480
    content = zlib.decompress(pack(torch.full((1, 3, 5), 1.0)))
    assert list(content[:4]) == [5, 0, 3, 0]
    assert content[4] + 256 * content[4 + 15] == 2 * LARGEST_CODE  # the first step, folded


def test_pictures_share_their_room_and_what_is_left_of_it() -> None:
    noise, flat = torch.rand(3, 120, 160), torch.full((3, 120, 160), 0.5)
    largest = len(next(webps(noise)))
    room = ByteBudget(2 * largest, 2)
    assert len(room.first_that_fits(webps(flat))) < 1000
    assert len(room.first_that_fits(webps(noise))) == largest  # which is more than half
    tight = ByteBudget(largest // 2, 2)
    sizes = [len(tight.first_that_fits(webps(noise))) for _ in range(2)]
    assert sum(sizes) <= largest // 2


@pytest.mark.parametrize(
    ("size", "chosen"),
    [
        (200, [100, 100]),
        (199, [60, 100]),  # a half is too little for the largest; the second gets the remainder
        (119, [10, 100]),
        (60, [10, 10]),
        (0, [10, 10]),  # the last one, where none fits
    ],
)
def test_a_half_is_never_exceeded_where_something_smaller_fits(size: int, chosen: list[int]) -> None:
    room = ByteBudget(size, 2)
    candidates = [bytes(length) for length in (100, 60, 10)]
    assert [len(room.first_that_fits(iter(candidates))) for _ in range(2)] == chosen


def test_nothing_in_the_data_can_end_its_place_in_the_page() -> None:
    nasty = "</script><!--<script>\u2028&amp;\"'"
    page = fill({"name": nasty})
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found and json.loads(found[1]) == {"name": nasty}
    assert page.count("</script>") == 2 and "<!--" not in page
    assert np.all([ord(letter) < 128 for letter in found[1]])
    assert "<title>&lt;/script&gt;" in page


def test_the_page_asks_for_nothing_outside() -> None:
    page = fill({"name": "clip.mp4"})
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|@import|url\(|src=|href=", page)
