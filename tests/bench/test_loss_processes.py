"""Who ends by itself is started again, and what its log said at that moment is told."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.crashing import Job
from bench.loss_control import Control
from bench.loss_processes import Fleet, Member
from bench.loss_report import Result, Wanted


@dataclass
class Ending(Member):
    """Has ended with that status, and runs once it is started."""

    left: int | None = None

    @property
    def status(self) -> int | None:
        return self.left

    def start(self, job: Job | None = None) -> None:
        del job
        self.left = None


def ending(folder: Path, status: int) -> Ending:
    job = Job("source", "s0", {}, str(folder / "s0.control"), str(folder / "s0.log"))
    Path(job.log).write_text("Traceback:\n  in run\nMisconfigured: the disk\n")
    return Ending(job, Control(Path(job.control)), left=status)


@pytest.mark.parametrize(("status", "word"), [(1, "ended with status 1"), (-7, "killed by SIGBUS")])
def test_the_report_says_how_it_ended_and_the_last_that_its_log_said(tmp_path: Path, status: int, word: str) -> None:
    member = ending(tmp_path, status)
    fleet = Fleet([member])
    fleet.mend()
    Path(member.job.log).write_text("what its successor says")
    fleet.mend()
    (refusal,) = Result(Wanted(alerts=0, kills=0), ended={"s0": member.ended, "s1": []}).refusals()
    assert refusal == (
        f"s0 ended by itself 1 times, first {word}; its log ends: Traceback: | in run | Misconfigured: the disk"
    )


def test_who_died_where_it_was_told_to_later_than_was_waited_for_has_not_ended_by_itself(tmp_path: Path) -> None:
    member = ending(tmp_path, -9)
    member.control.fired = "after-xadd"
    Fleet([member]).mend()
    assert (member.ended, member.status) == ([], None)
