"""The page of an evaluation, opened in a real browser."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from any2bokeh.cli import main

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
ALL_DRAWN = "() => [...document.images].every(image => image.complete && image.naturalWidth > 0)"


def test_the_page_needs_nothing_but_itself_and_draws_all_it_has(
    browser: "Browser", lens_dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "<b>&out"
    options = ("--methods", "gather,lens", "--shown", "2", "-q")
    assert main(["evaluate", str(lens_dataset), "-o", str(out), *options]) == 0
    url = (out / "evaluation.html").as_uri()
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: said.append(request.url[:200]))
        page.goto(url)
        assert [text for text in said if not text.startswith("data:image/webp")] == [url]
        assert page.locator("tbody tr").all_inner_texts()[0].split()[0] == "gather"
        assert page.locator("pre").inner_text().endswith("--methods gather,lens")
        assert page.locator("h2", has_text=".").count() == 2
        assert page.locator("figure img").count() == 2 * (5 * 4 - 2)  # four columns; the truth has no errors
        assert page.locator("svg polyline").count() > 10
        assert page.evaluate(ALL_DRAWN)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
