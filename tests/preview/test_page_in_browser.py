"""The page, clicked and read in a real browser."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from any2bokeh.cli import main
from any2bokeh.preview.pack import as_text, pack_masks

from .conftest import HEIGHT, LEFT, NAME, RIGHT, WIDTH, open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


def click(page: "Page", x: float, y: float) -> None:
    """Click on the picture, at shares of its size."""
    box = page.locator("#picture").bounding_box()
    assert box
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def command(page: "Page") -> str:
    return page.locator("#command").inner_text()


def go_to(page: "Page", still: int) -> None:
    page.locator("#scrub").fill(str(still))


def choose(page: "Page", value: str) -> None:
    """Choose one of a few by its name."""
    page.locator(f"label:has(input[value={value}])").click()


READ_PICTURE = """() => {
  const picture = document.getElementById("picture"), copy = document.createElement("canvas");
  [copy.width, copy.height] = [picture.width, picture.height];
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, copy.width, copy.height).data.join();
}"""


def shown(page: "Page") -> NDArray[np.uint8]:
    """The picture as it is drawn, ``H W 3``, once it is settled."""
    page.wait_for_selector("#picture[data-settled=yes]")
    values = page.evaluate(READ_PICTURE).split(",")
    return np.array(values, np.uint8).reshape(HEIGHT, WIDTH, 4)[..., :3]


def halves(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What is well inside the left and the right half."""
    margin = WIDTH // 6
    return picture[:, margin : WIDTH // 2 - margin], picture[:, WIDTH // 2 + margin : -margin]


def assert_point(text: str, x: float, moment: str) -> None:
    """Check where and when a point is; a click comes as near to it as pixels allow."""
    place, _, at = text.partition("@")
    assert at == moment
    assert [float(share) for share in place.split(",")] == pytest.approx([x, 0.5], abs=0.004)


def contrast(picture: NDArray[np.uint8]) -> float:
    return float(picture.mean(axis=2).std(axis=1).mean())


def test_the_page_needs_nothing_but_itself_and_shows_names_as_they_are(page: "Page") -> None:
    assert page.locator("#name").inner_text() == Path(NAME).name
    assert page.title().startswith(Path(NAME).name)
    assert page.locator("img, iframe, object, link").count() == 0
    assert page.locator("#facts").inner_text().startswith(f"{WIDTH} \u00d7 {HEIGHT} \u00b7 0.5 s")


def test_a_click_reads_the_disparity_there_and_focuses_on_it(page: "Page") -> None:
    for x, disparity in ((0.25, LEFT), (0.75, RIGHT)):
        click(page, x, 0.5)
        assert page.locator("#bubble").inner_text() == f"{disparity:.3f}"
        assert page.locator("#focus-value").inner_text() == f"{disparity:.3f}"
        assert f" --focus {disparity} --k 10 " in command(page)
    _, _, point = page.locator("#hint").inner_text().partition(" --focus-at ")
    assert_point(point, 0.75, "0.167s")


def test_sliders_move_the_zone_that_is_in_focus(page: "Page") -> None:
    choose(page, "zone")
    page.locator("#strength").fill("32")

    def tinted() -> list[bool]:
        return [bool((half[..., 0] > half[..., 2] + 60.0).all()) for half in halves(shown(page).astype(int))]

    page.locator("#focus").fill(str(LEFT))
    assert tinted() == [True, False]
    page.locator("#focus").fill(str(RIGHT))
    assert tinted() == [False, True]
    page.locator("#strength").fill("0")
    assert tinted() == [True, True]
    assert " --k 0 " in command(page)


def test_the_picture_is_the_lenss_own_where_it_was_rendered_and_between(page: "Page") -> None:
    choose(page, "original")
    original = shown(page)
    choose(page, "refocused")
    page.locator("#strength").fill("32")

    def at(focus: float) -> NDArray[np.uint8]:
        page.locator("#focus").fill(str(focus))
        return shown(page)

    rendered, next_one = at(LEFT), at((LEFT + RIGHT) / 2)
    sharp, blurred = (contrast(half) for half in halves(rendered))
    assert blurred < 0.3 * sharp
    assert sharp == pytest.approx(contrast(halves(original)[0]), rel=0.1)
    mixed = 0.75 * rendered.astype(float) + 0.25 * next_one
    np.testing.assert_allclose(at(LEFT + (RIGHT - LEFT) / 8), mixed, atol=2.5)
    page.locator("#strength").fill("0")
    np.testing.assert_array_equal(shown(page), original)


def test_disparity_is_shown_in_its_colors(page: "Page") -> None:
    choose(page, "disparity")
    far, near = (half.mean(axis=(0, 1)) for half in halves(shown(page)))
    np.testing.assert_allclose(far, [88, 16, 110], atol=8)  # inferno at 0.25 and 0.75
    np.testing.assert_allclose(near, [249, 142, 9], atol=8)


def test_a_pull_is_set_by_clicks_at_two_moments_and_its_keys_can_be_removed(page: "Page") -> None:
    choose(page, "pull")
    go_to(page, 0)
    click(page, 0.25, 0.5)
    go_to(page, 3)
    click(page, 0.75, 0.5)
    assert ' --focus "0s:0.25, 0.459s:0.75" --k 10 ' in command(page)
    go_to(page, 1)  # 4 of 11 frames further: eased, 3u^2 - 2u^3 of the way
    share = 4 / 11
    expected = LEFT + (RIGHT - LEFT) * (3 * share**2 - 2 * share**3)
    assert page.locator("#focus-value").inner_text() == f"{expected:.3f}"
    page.get_by_role("button", name="Remove the key at 0.00 s").click()
    assert " --focus 0.75 --k 10 " in command(page)
    assert page.locator("#keys li").count() == 1


def test_a_click_chooses_a_subject_and_outlines_it_on_that_still(page: "Page") -> None:
    choose(page, "original")
    go_to(page, 2)
    plain = shown(page)
    click(page, 0.25, 0.5)
    choose(page, "subject")
    words = shlex.split(command(page))
    assert_point(words[words.index("--subject") + 1], 0.25, "0.292s")
    assert "--focus" not in words
    changed = (shown(page).astype(int) - plain).any(axis=2)
    middle, row = WIDTH // 2, HEIGHT // 2
    assert changed[row, middle - 8 : middle + 8].any()  # the step between the halves
    assert not changed[row, middle // 2 : middle - 8].any()  # inside
    assert not changed[:, middle + 8 :].any()
    go_to(page, 1)
    np.testing.assert_array_equal(shown(page), plain)  # all frames are alike


def test_a_click_on_a_thing_that_the_network_saw_outlines_that(
    browser: "Browser", page_file: Path, tmp_path: Path
) -> None:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    disc = (rows - HEIGHT / 2) ** 2 + (columns - WIDTH / 2) ** 2 < 20**2  # over the step between the halves
    packed = as_text(pack_masks([disc]))
    changed_page = tmp_path / "page.html"
    text, count = re.subn(r'"things":"[^"]*"', f'"things":"{packed}"', page_file.read_text("utf-8"))
    assert count == 4
    changed_page.write_text(text, "utf-8")
    with browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce") as context:
        page = context.new_page()
        open_page(page, changed_page)
        choose(page, "original")
        plain = shown(page)
        choose(page, "subject")
        click(page, 0.5 + 10 / WIDTH, 0.5)
        changed = (shown(page).astype(int) - plain).any(axis=2)
        away = np.hypot(rows - HEIGHT / 2, columns - WIDTH / 2)
        assert changed[(away > 19) & (away < 20)].mean() > 0.9
        assert not changed[(away < 17) | (away > 23)].any()
        assert page.locator("#focus-value").inner_text() in (f"{LEFT:.3f}", f"{RIGHT:.3f}")
        assert "network" in page.locator("#hint").inner_text()
        page.locator("#strength").fill("32")
        choose(page, "refocused")
        held = shown(page).astype(int)
        assert abs(held - plain)[away < 17].max() <= 2  # in both halves
        assert contrast(held[:, : WIDTH // 4]) < 0.5 * contrast(plain[:, : WIDTH // 4]) or contrast(
            held[:, -WIDTH // 4 :]
        ) < 0.5 * contrast(plain[:, -WIDTH // 4 :])
        click(page, 0.05, 0.5)
        assert "disparity" in page.locator("#hint").inner_text()


def test_depth_that_stays_sharp_is_widened_on_the_page_and_in_the_command(page: "Page") -> None:
    choose(page, "original")
    original = shown(page)
    choose(page, "refocused")
    page.locator("#strength").fill("32")
    page.locator("#focus").fill(str((LEFT + RIGHT) / 2))
    narrow = [contrast(half) for half in halves(shown(page))]
    assert "--dof-range" not in command(page)
    page.locator("#range").fill("0.5")
    wide = [contrast(half) for half in halves(shown(page))]
    sharp = [contrast(half) for half in halves(original)]
    assert all(blurred < 0.6 * clear for blurred, clear in zip(narrow, sharp, strict=True))
    assert wide == pytest.approx(sharp, rel=0.1)
    assert " --dof-range 0.5" in command(page)
    assert page.locator("#range-value").inner_text() == "0.50"


def test_long_names_are_broken_rather_than_cut(page: "Page") -> None:
    for name in ("hint", "name"):
        page.evaluate(f"document.getElementById('{name}').textContent = 'a'.repeat(300)")
        widths = page.evaluate(f"(e => [e.scrollWidth, e.clientWidth])(document.getElementById('{name}'))")
        assert 0 < widths[0] <= widths[1], name


def test_a_focus_that_was_asked_for_is_shown_until_another_is_chosen(
    browser: "Browser", folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    pull = ["--disparity", "track.mkv", "--focus", "0s:@0.25,0.5, 0.4s:0.75"]
    few = ["--at", "0", "--at", "f11", "--focus-values", "2", "--k-values", "1"]
    assert main(["preview", NAME, *pull, *few, "--html", "given.html", "-q"]) == 0
    page = browser.new_page()
    open_page(page, folder / "given.html")
    assert page.locator("#focus-value").inner_text() == "0.250"
    assert " --focus '0s:@0.25,0.5, 0.4s:0.75' --k 16 " in command(page)
    go_to(page, 1)
    assert page.locator("#focus-value").inner_text() == "0.750"
    page.locator("#focus").fill("0.5")
    assert " --focus 0.5 --k 16 " in command(page)
    assert page.locator("input[value=hold]").is_checked()
    page.close()


def test_the_command_is_copied_and_a_shell_hands_it_to_the_program(page: "Page", folder: Path) -> None:
    choose(page, "pull")
    for still, x in ((0, 0.25), (3, 0.75)):
        go_to(page, still)
        click(page, x, 0.5)
    page.locator("#copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    line = page.evaluate("navigator.clipboard.readText()")
    assert line == command(page)
    program = "import sys; from any2bokeh.cli import main; sys.exit(main())"
    script = f'bokeh() {{ {shlex.quote(sys.executable)} -c "{program}" "$@"; }}\n{line} --dry-run'
    run = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert f"12 of {WIDTH}x{HEIGHT}" in run.stdout


@pytest.mark.parametrize("mode", ["hold", "subject"])
def test_other_commands_are_accepted_too(
    mode: str, page: "Page", folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    click(page, 0.75, 0.5)
    choose(page, mode)
    monkeypatch.chdir(folder)
    words = shlex.split(command(page))
    assert words[:3] == ["bokeh", "refocus", NAME]
    assert main([*words[1:], "--dry-run", "-q"]) == 0


def test_everything_can_be_done_with_the_keyboard(page: "Page") -> None:
    page.locator("#picture").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert f" --focus {RIGHT} " in command(page)
    assert page.locator("#reading").inner_text() == f"Disparity {RIGHT:.3f} at 0.17 s"
    seen = []
    for _ in range(7):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert seen == ["view", "scrub", "focus", "strength", "range", "mode", "command"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    assert page.locator("input[value=pull]").is_checked()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    assert " --dof-range 0.01 " in command(page)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowLeft")
    assert " --k 9.5 " in command(page)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowLeft")
    assert f" --focus {RIGHT - 0.01:.2f} " in command(page)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("End")
    assert page.locator("#moment").inner_text() == "0.46 s"


def test_everything_has_a_name_for_those_who_do_not_see_it(page: "Page") -> None:
    for role, name in (
        ("application", Path(NAME).name),
        ("slider", "Moment"),
        ("slider", "Focus"),
        ("slider", "Blur (K)"),
        ("slider", "Depth that stays sharp"),
        ("radio", "Disparity"),
        ("radio", "Pull"),
        ("button", "Copy"),
    ):
        assert page.get_by_role(role, name=name).count() == 1, name  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [320, 360, 820, 1280, 2560])
def test_nothing_is_wider_than_the_window(width: int, page: "Page") -> None:
    page.set_viewport_size({"width": width, "height": 740})
    choose(page, "pull")
    for still in range(4):
        go_to(page, still)
        click(page, 0.3 + 0.1 * still, 0.5)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for name in ("picture", "focus", "strength", "copy", "command"):
        box = page.locator(f"#{name}").bounding_box()
        assert box and box["width"] > 40 and box["x"] >= 0 and box["x"] + box["width"] <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_in_dark(scheme: str, page: "Page") -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    ground = luminance(page, "body", "backgroundColor", "html")
    assert (ground > 0.5) == (scheme == "light")
    for text, behind in (
        ("#name", "html"),
        ("#facts", "html"),
        ("#focus-value", ".control"),
        ("#hint", ".control"),
        ("#views span", "#views"),
        ("#command", "footer"),
        ("#copy", "#copy"),
    ):
        ink, paper = luminance(page, text, "color"), luminance(page, behind, "backgroundColor")
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, text  # WCAG AA


def luminance(page: "Page", selector: str, prop: str, other: str = "") -> float:
    """The relative luminance of a color as WCAG defines it."""
    color = page.evaluate(
        "([s, p]) => getComputedStyle(document.querySelector(s))[p]", [other or selector, prop]
    )
    values = np.array([float(part) for part in color.partition("(")[2].rstrip(")").split(",")[:3]]) / 255
    linear = np.where(values <= 0.03928, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_nothing_moves_by_itself_where_motion_is_not_wanted(page: "Page") -> None:
    durations = "[...document.querySelectorAll('*')].map((e) => getComputedStyle(e).transitionDuration)"
    assert set(page.evaluate(durations)) == {"0s"}
    page.emulate_media(reduced_motion="no-preference")
    assert set(page.evaluate(durations)) == {"0s", "0.15s"}


def test_without_scripts_the_page_says_that_it_needs_them(browser: "Browser", page_file: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(page_file.as_uri())
        assert "needs JavaScript" in page.locator("noscript").inner_text()
