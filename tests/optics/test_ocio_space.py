"""Color spaces of the Academy's configuration, which OpenColorIO has built in."""

from pathlib import Path

import pytest
import torch

from any2bokeh.errors import SettingsError
from any2bokeh.optics.ocio_space import open_space
from any2bokeh.optics.transfer import from_linear, recoded, shown_picture, to_linear

STUDIO = "ocio://studio-config-latest"
ANYWHERE = Path("shot.exr")


def gray(*levels: float) -> torch.Tensor:
    return torch.tensor(levels).expand(3, 1, -1).contiguous()


@pytest.mark.parametrize(
    ("space", "code"),
    [
        ("ARRI LogC3 (EI800)", 0.391007),
        ("ARRI LogC4", 0.278396),
        ("S-Log3 S-Gamut3", 420 / 1023),
        ("V-Log V-Gamut", 433 / 1023),
        ("ACEScct", 0.413588402),
        ("sRGB Encoded Rec.709 (sRGB)", 0.461356),
    ],
)
def test_gray_of_18_percent_is_18_percent_of_light(space: str, code: float) -> None:
    opened = open_space(STUDIO, space, ANYWHERE)
    assert opened.decode(gray(code))[:, 0, 0].tolist() == pytest.approx([0.18] * 3, rel=2e-3)
    assert opened.encode(gray(0.18))[:, 0, 0].tolist() == pytest.approx([code] * 3, abs=3e-4)


def test_light_is_in_the_primaries_of_the_scene_linear_space() -> None:
    red = torch.tensor([1.0, 0, 0])[:, None, None]
    light = open_space(STUDIO, "Linear Rec.709 (sRGB)", ANYWHERE).decode(red)
    # sRGB's red in AP1, by the matrix that the Academy publishes.
    assert light.flatten().tolist() == pytest.approx([0.6131, 0.0702, 0.0206], abs=2e-4)


def test_scene_light_of_the_configuration_stays_bit_for_bit() -> None:
    space = open_space(STUDIO, "ACEScg", ANYWHERE)
    picture = torch.rand(3, 4, 5) * 40 - 2
    assert space.decode(picture) is picture and space.is_linear


def test_codes_of_another_space_are_the_same_light() -> None:
    log = open_space(STUDIO, "S-Log3 S-Gamut3.Cine", ANYWHERE)
    before = torch.rand(3, 6, 7) * 0.5 + 0.2
    other = recoded(before, log, log.sibling("ARRI LogC4"))
    assert (other - before).abs().max() > 0.01
    torch.testing.assert_close(recoded(other, log.sibling("ARRI LogC4"), log), before, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(from_linear(to_linear(before, log), log), before, rtol=1e-4, atol=1e-4)
    assert recoded(before, log, log.sibling("S-Log3 S-Gamut3.Cine")) is before
    shown = shown_picture(before, log)
    assert shown.min() >= 0 and shown.max() <= 1


def test_aliases_and_roles_are_names_too() -> None:
    assert open_space(STUDIO, "lin_ap1", ANYWHERE).name == "ACEScg"
    assert open_space(STUDIO, "scene_linear", ANYWHERE).name == "ACEScg"
    assert open_space(STUDIO, None, ANYWHERE).name == "ACES2065-1"  # by its file rules


@pytest.mark.parametrize(
    ("name", "near"), [("slog3", "S-Log3"), ("acescgg", "ACEScg"), ("rec709", "Rec.709")]
)
def test_an_unknown_space_lists_near_names(name: str, near: str) -> None:
    with pytest.raises(SettingsError, match=f"no color space '?{name}") as error:
        open_space(STUDIO, name, ANYWHERE)
    assert near in error.value.hint
    with pytest.raises(SettingsError, match="no color space"):
        open_space(STUDIO, "ACEScg", ANYWHERE).sibling("nonsense")


def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.ocio").write_text("no configuration")
    for name in (str(tmp_path / "a.ocio"), str(tmp_path / "none.ocio"), "ocio://none"):
        with pytest.raises(SettingsError, match="cannot be read") as error:
            open_space(name, "ACEScg", ANYWHERE)
        assert name in error.value.message and "ocio://studio-config" in error.value.hint
