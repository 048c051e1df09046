"""A clip of which all is known, its page made by the real command, and a browser to open it in."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from any2bokeh.cli import main
from any2bokeh.video.create import create_video
from any2bokeh.video.gray import open_gray_writer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTH, HEIGHT, FRAMES = 192, 108, 12
LEFT, RIGHT = 0.25, 0.75  # disparity of the halves
NAME = "it's \"<!--</script><img src=x onerror=alert(1)> & $HOME `id` #1.mp4"  # in a folder of its own


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip of stripes under a name that is hard to quote, and its track."""
    folder = tmp_path_factory.mktemp("look")
    stripes = 0.2 + 0.6 * (torch.arange(WIDTH) // 3 % 2).expand(3, HEIGHT, WIDTH).float()
    disparity = torch.full((1, HEIGHT, WIDTH), LEFT)
    disparity[:, :, WIDTH // 2 :] = RIGHT
    (folder / NAME).parent.mkdir()
    rate = Fraction(24)
    with (
        create_video(folder / NAME, WIDTH, HEIGHT, rate, overwrite=True) as video,
        open_gray_writer(folder / "track.mkv", WIDTH, HEIGHT, 1 / rate, rate, overwrite=True) as track,
    ):
        for pts in range(FRAMES):
            video.write(stripes)
            track.write(disparity, pts)
    return folder


@pytest.fixture(scope="session")
def page_file(folder: Path) -> Path:
    """The page of that clip: 4 moments, 3 focal planes, 2 blur strengths."""
    page = folder / "page.html"
    look = ["--disparity", "track.mkv", "--focus", "0.4", "--k", "10", "--highlights", "1.5"]
    counts = ["--stills", "4", "--focus-values", "3", "--k-values", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["preview", NAME, *look, *counts, "--html", str(page), "-q"]) == 0
    return page


@pytest.fixture
def page(browser: "Browser", page_file: Path) -> Iterator["Page"]:
    """The page, opened by a browser without a memory, in which nothing may go wrong or over the network."""
    with browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce") as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("request", lambda request: wrong.append(request.url))
        open_page(page, page_file)
        assert wrong == [page_file.as_uri()]
        yield page
        assert wrong == [page_file.as_uri()]


def open_page(page: "Page", file: Path) -> None:
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
