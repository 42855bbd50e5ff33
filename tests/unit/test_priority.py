"""The engine's share of the processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.priority import AUTOGROUP, NICENESS, go_first


def test_a_session_of_its_own_is_favoured(tmp_path: Path) -> None:
    autogroup = tmp_path / "autogroup"
    autogroup.touch()
    assert go_first(autogroup, leads_session=True)
    assert autogroup.read_text() == str(NICENESS)


def test_a_shells_session_is_left_alone(tmp_path: Path) -> None:
    autogroup = tmp_path / "autogroup"
    autogroup.touch()
    assert not go_first(autogroup, leads_session=False)
    assert autogroup.read_text() == ""


def test_a_kernel_without_autogroups_is_no_reason_not_to_run(tmp_path: Path) -> None:
    assert not go_first(tmp_path / "absent" / "autogroup", leads_session=True)


@pytest.mark.skipif(not AUTOGROUP.exists() or os.geteuid() != 0, reason="needs root and sched_autogroup")
def test_what_leads_a_session_below_the_engine_is_not_favoured() -> None:
    monitor = "print(open('/proc/self/autogroup').read())"
    engine = (
        "import subprocess, sys; from daemon.priority import go_first; go_first();"
        "print(open('/proc/self/autogroup').read(), flush=True);"
        f"subprocess.run([sys.executable, '-c', {monitor!r}], start_new_session=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", engine], start_new_session=True, capture_output=True, text=True, check=True
    )
    ours, theirs = (line for line in done.stdout.splitlines() if line)
    assert ours.endswith(f"nice {NICENESS}")
    assert theirs.endswith("nice 0")
