"""The program and its commands."""

import ctypes
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from any2bokeh.cli import (
    depth,
    doctor,
    download_weights,
    evaluate,
    import_weights,
    join_command,
    mask,
    plan_shards,
    preview,
    refocus,
    synthesize,
    train,
)
from any2bokeh.cli.command_line import with_settings
from any2bokeh.cli.exit_codes import Failure, attempt
from any2bokeh.cli.help_page import CommandList, HelpPage
from any2bokeh.cli.talk import messages_on_stderr, results_were_lost

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h

# Plain help: the drawn boxes alone would double the time that --help takes.
app = typer.Typer(
    cls=CommandList, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)
app.command("refocus", cls=HelpPage)(with_settings(refocus.refocus_command))
app.command("depth", cls=HelpPage)(with_settings(depth.depth_command))
app.command("mask", cls=HelpPage)(with_settings(mask.mask_command))
app.command("preview", cls=HelpPage)(with_settings(preview.preview_command))
app.command("evaluate", cls=HelpPage)(with_settings(evaluate.evaluate_command))
app.command("plan", cls=HelpPage)(with_settings(plan_shards.plan_command))
app.command("join", cls=HelpPage)(with_settings(join_command.join_command))
app.command("download-weights", cls=HelpPage)(with_settings(download_weights.download_weights_command))
app.command("import-weights", cls=HelpPage)(with_settings(import_weights.import_weights_command))
app.command("synthesize", cls=HelpPage)(with_settings(synthesize.synthesize_command))
app.command("train", cls=HelpPage)(with_settings(train.train_command))
app.command("doctor", cls=HelpPage)(with_settings(doctor.doctor_command))


def _show_version(wanted: bool) -> None:
    if wanted:
        from any2bokeh import __version__

        typer.echo(f"any2bokeh {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def program(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("-V", "--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Change the focus of any video after it was shot."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def _prepare_process() -> None:
    """Settle, before torch is loaded, how threads wait and how memory is given back."""
    # Decoding, rendering and encoding share the cores: threads of one that spin while they wait, as
    # OpenMP's do by default, slow the others down several times.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Frames come and go as fresh memory: in large pages the system clears it with far fewer interruptions.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    # glibc would come to keep freed frames in a heap of each thread: a third more memory, and growing.
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_ARENA_MAX, 2)
        libc.mallopt(M_MMAP_THRESHOLD, 4 << 20)


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (by default the process's own) and return its exit code."""
    _prepare_process()
    with messages_on_stderr():
        outcome = attempt(lambda: app(arguments, standalone_mode=False))
        if isinstance(outcome, Failure):
            outcome.report()
            return outcome.exit_code
        return int(outcome or 0) or int(results_were_lost())
