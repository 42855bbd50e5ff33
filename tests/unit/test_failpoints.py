"""A failpoint kills the process that was told to die there, and no other."""

from __future__ import annotations

import enum
import signal
import subprocess
import sys

import pytest

from daemon.failpoints import boundaries

REACHES = """
from daemon.failpoints import reached
for name in ["before", "written", "written", "written"]:
    print(name, flush=True)
    reached(name)
"""
REACHES_IN_THREADS = """
import threading
from daemon.failpoints import reached
def reach():
    for _ in range(100):
        reached("written")
        print("again")
threads = [threading.Thread(target=reach) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def run(program: str, armed: str | None) -> subprocess.CompletedProcess[str]:
    environment = {} if armed is None else {"LONGSHORE_FAILPOINT": armed}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )


@pytest.mark.parametrize(
    ("armed", "steps"), [("before", 1), ("written", 2), ("written:1", 2), ("written:3", 4)]
)
def test_the_process_is_killed_where_it_was_told_to_be(armed: str, steps: int) -> None:
    ended = run(REACHES, armed)
    assert (ended.returncode, len(ended.stdout.splitlines())) == (-signal.SIGKILL, steps)


@pytest.mark.parametrize("armed", [None, "", "elsewhere", "written:4", "writ"])
def test_no_other_place_ends_it(armed: str | None) -> None:
    ended = run(REACHES, armed)
    assert (ended.returncode, len(ended.stdout.splitlines())) == (0, 4)


@pytest.mark.parametrize(("armed", "status"), [("written:400", -signal.SIGKILL), ("written:401", 0)])
def test_threads_count_together(armed: str, status: int) -> None:
    assert run(REACHES_IN_THREADS, armed).returncode == status


class Meal(enum.Enum):
    LAY_TABLE = enum.auto()
    EAT = enum.auto()


def test_each_step_of_a_kind_has_a_failpoint_on_either_side() -> None:
    named = {step: tuple(boundary) for step, boundary in boundaries("meal", Meal).items()}
    assert named == {
        Meal.LAY_TABLE: ("meal-lay-table-before", "meal-lay-table-after"),
        Meal.EAT: ("meal-eat-before", "meal-eat-after"),
    }
