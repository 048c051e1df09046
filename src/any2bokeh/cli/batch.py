"""One clip after the other, whatever becomes of each."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from any2bokeh.cli.exit_codes import Failure, UsageError, attempt, exit_code_of
from any2bokeh.cli.jobs import Job
from any2bokeh.cli.talk import is_quiet, say

if TYPE_CHECKING:
    from any2bokeh.cli.long_jobs import ShardResult
    from any2bokeh.plan import Plan
    from any2bokeh.run import Result


_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """What happens to results that exist and after a failure, and whether anything is done at all."""

    overwrite: bool = False
    skip_existing: bool = False
    fail_fast: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.overwrite and self.skip_existing:
            raise UsageError("Conflicting options: --overwrite and --skip-existing. Give one.")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one clip; ``result`` is its file and figures, in a dry run its plan."""

    job: Job
    status: Literal["done", "planned", "skipped", "failed"]
    result: "Result | Plan | ShardResult | None" = None
    failure: Failure | None = None
    seconds: float | None = None

    def as_document(self) -> dict[str, object]:
        """Return what ``--json`` says of it: the facts of the result only where there is one."""
        facts = asdict(self.result) if self.result else {}
        output = facts.pop("target", self.job.target)
        return {
            "input": self.job.source,
            "output": output,
            "status": self.status,
            **facts,
            "seconds": self.seconds,
            "error": self.failure.sentence if self.failure else None,
        }

    def as_text(self) -> str:
        """Return the text to print: the path of the result, a skipped one too, or the plan."""
        if self.status != "planned":
            return str(getattr(self.result, "target", self.job.target))
        from any2bokeh.cli.command_line import with_options  # here, because it knows all commands' options

        return f"{self.job.source} -> {self.job.target}\n{with_options(str(self.result))}"


def run_jobs(
    jobs: list[Job], options: BatchOptions, work: "Callable[[Job], Result | Plan | ShardResult]"
) -> Iterator[Outcome]:
    """Do ``work`` on each clip and yield what became of it; a failure is reported as it happens."""
    told: set[str] = set()
    for job in jobs:
        if options.skip_existing and job.is_done:
            _log.info("%s is skipped: %s exists.", job.source, job.target)
            yield Outcome(job=job, status="skipped")
            continue
        started_s = time.monotonic()
        result = attempt(partial(work, job))
        seconds = None if options.dry_run else round(time.monotonic() - started_s, 3)
        if isinstance(result, Failure):
            # One hint is enough where clip after clip fails for the same reason.
            (replace(result, hint="") if result.hint in told else result).report()
            told.add(result.hint)
            yield Outcome(job=job, status="failed", failure=result, seconds=seconds)
            if options.fail_fast:
                return
            continue
        status: Literal["planned", "done"] = "planned" if options.dry_run else "done"
        yield Outcome(job=job, status=status, result=result, seconds=seconds)


def sum_up(outcomes: list[Outcome], jobs: list[Job]) -> int:
    """Return the exit code of a run; say on stderr how the run of several clips went."""
    failures = [outcome.failure for outcome in outcomes if outcome.failure]
    if len(jobs) > 1 and not is_quiet():
        names = [str(outcome.job.source) for outcome in outcomes if outcome.failure]
        skipped = sum(outcome.status == "skipped" for outcome in outcomes)
        done = len(outcomes) - skipped - len(failures)
        is_plan = any(outcome.status == "planned" for outcome in outcomes)
        became = "would be done" if is_plan else "done"
        say(
            f"{done} of {len(jobs)} clips {became}, {skipped} skipped, {len(failures)} failed"
            + (f": {', '.join(names)}" if names else "")
        )
    return exit_code_of(failures, len(outcomes), len(jobs))
