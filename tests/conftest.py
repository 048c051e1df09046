"""What every test gets: its own random state, and no unexpected errors in the log."""

import logging
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import torch

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MAC_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", MAC_CHROME)
# Without zygotes: on a machine with much to do theirs kept two cores busy, and the browser did not close.
QUIET = (
    *("--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)

# Programs that a shell starts in the background ignore these, and so do the programs that tests start.
HEARD = [signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
for number in HEARD:
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(autouse=True)
def torch_state() -> Iterator[None]:
    """Random numbers and threads of a test's own."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_error_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors, f"logged as ERROR: {errors}"


@pytest.fixture
def cuda(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """The GPU, computing as precisely as the CPU does.

    Without one its tests are skipped, unless it was asked for: by ``-m cuda``, or by the name of the device
    in ``ANY2BOKEH_TEST_CUDA``. The CPU may be named there: it takes the GPU's place.
    """
    asked = os.environ.get("ANY2BOKEH_TEST_CUDA", "")
    device = torch.device(asked or "cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        reason = "no CUDA device is here: what a GPU computes was not compared with the CPU"
        words = (request.config.option.markexpr or "").replace("(", " ").replace(")", " ").split()
        if asked or ("cuda" in words and words[max(0, words.index("cuda") - 1)] != "not"):
            pytest.fail(reason)
        pytest.skip(reason)
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield device


@pytest.fixture(scope="session")
def tiny_depth_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Depth Anything network of 89 thousand random parameters, saved like a published one."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        patch_size=14,
        image_size=56,
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=4,
    )
    folder = tmp_path_factory.mktemp("network")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = DepthAnythingForDepthEstimation(config)
        for name, weight in network.named_parameters():  # as initialized, nearly a constant
            if weight.ndim > 1 and not name.startswith("backbone.embeddings"):
                torch.nn.init.normal_(weight, std=1.5 / weight[0].numel() ** 0.5)
    torch.nn.init.constant_(network.head.conv3.bias, 5.0)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_sam2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a SAM 2.1 of a million random parameters, saved like the published one."""
    from segmentation_samples import save_tiny_sam2

    return save_tiny_sam2(tmp_path_factory.mktemp("sam2"))


@pytest.fixture(scope="session")
def tiny_edgetam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an EdgeTAM of a million random parameters, on a backbone that needs no timm."""
    from segmentation_samples import save_tiny_edgetam

    return save_tiny_edgetam(tmp_path_factory.mktemp("edgetam"))


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        give_up(f"no browser was found (looked for {', '.join(BROWSERS)}): the page was not tried in one")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        give_up("playwright is not installed: the page was not tried in a browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def ffmpeg() -> str:
    """The path of the ffmpeg program."""
    return shutil.which("ffmpeg") or give_up("ffmpeg is not installed: pipes were not tried with it")


def give_up(reason: str) -> NoReturn:
    """Skip a test whose requirement is missing, and fail it where all must be here."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
