"""Take a picture of a page that ``bokeh preview --html`` made, as a visitor sees it who set the focus.

    python examples/page_picture.py PAGE.html PICTURE.png [--click 0.36,0.55] [--size 1280x800] [--dark]

Needs Chromium, or Chrome, and the package's dev extra.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--click", default="0.36,0.55", help="where on the picture, shares of its size")
    parser.add_argument("--size", default="1280x800", help="width x height of the window")
    parser.add_argument("--dark", action="store_true", help="as in a browser that prefers dark pages")
    options = parser.parse_args()
    x, y = (float(share) for share in options.click.split(","))
    width, height = (int(side) for side in options.size.split("x"))
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        # Chromium refuses to run as root, as in a container, with its sandbox.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if options.dark else "light"
        )
        page.goto(options.page.resolve().as_uri())
        page.wait_for_selector("html[data-ready]")
        box = page.locator("#picture").bounding_box()
        if box is None:
            raise SystemExit(f"{options.page} shows no picture.")
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        page.mouse.move(0, 0)
        page.wait_for_selector("#picture[data-settled=yes]")
        page.screenshot(path=options.picture)
        browser.close()
    print(options.picture)


if __name__ == "__main__":
    main()
