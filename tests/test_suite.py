"""How this suite behaves where a requirement is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WITHOUT_PLAYWRIGHT = (
    "import sys; sys.modules.update({'playwright': None, 'playwright.sync_api': None});"
    "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
)

pytestmark = pytest.mark.slow


def run_suite(*arguments: str, program: str | None = None, **changes: str) -> tuple[int, str]:
    """Run pytest in a process of its own, without a GPU; return its exit code and its last lines."""
    own = {"CI": "", "ANY2BOKEH_TEST_CUDA": "", "CUDA_VISIBLE_DEVICES": ""} | changes
    start = ["-c", program] if program else ["-m", "pytest"]
    command = [sys.executable, *start, "-q", "-p", "no:cacheprovider", *arguments]
    result = subprocess.run(command, cwd=ROOT, env=os.environ | own, capture_output=True, text=True)
    return result.returncode, result.stdout[-2000:] + result.stderr


def test_without_a_gpu_its_tests_are_skipped_but_fail_where_one_was_asked_for() -> None:
    one = ("tests/test_cuda.py", "-k", "bit_for_bit")
    code, said = run_suite(*one)
    assert code == 0 and "no CUDA device is here" in said and "1 skipped" in said
    for arguments, changes in (((*one, "-m", "cuda"), {}), (one, {"ANY2BOKEH_TEST_CUDA": "cuda"})):
        code, said = run_suite(*arguments, **changes)
        assert code == 1 and "1 error" in said and " skipped" not in said.splitlines()[-1]
    code, said = run_suite(*one, "-m", "not cuda")
    assert code == 5 and "1 deselected" not in said and "deselected" in said


def test_without_playwright_all_but_the_browsers_tests_run() -> None:
    preview = ("tests/preview/test_page.py", "tests/preview/test_page_numbers.py")
    code, said = run_suite(*preview, program=WITHOUT_PLAYWRIGHT)
    assert code == 0 and " passed, " in said and "skipped" in said
    code, said = run_suite(*preview, program=WITHOUT_PLAYWRIGHT, CI="true")
    assert code == 1 and " passed, " in said and " errors" in said and " skipped" not in said.splitlines()[-1]
