"""Whom the kernel has killed for memory, by the files of either version of cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.runtimes.oom import killed_for_memory

V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n"
V2 = "low 0\nhigh 0\nmax 7\noom 1\noom_kill {kills}\noom_group_kill 0\n"


@pytest.fixture(params=["v1", "v2"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The file that counts, of the cgroup /docker/c1 below `tmp_path`."""
    if request.param == "v2":
        (tmp_path / "cgroup.controllers").write_text("memory pids\n")
        file = tmp_path / "docker/c1/memory.events"
    else:
        (tmp_path / "pids/docker/c1").mkdir(parents=True)
        file = tmp_path / "memory/docker/c1/memory.oom_control"
    file.parent.mkdir(parents=True)
    return file


@pytest.mark.parametrize("kills", [0, 1, 12])
def test_the_kernel_counts_whom_it_has_killed(file: Path, tmp_path: Path, kills: int) -> None:
    file.write_text((V1 if file.name == "memory.oom_control" else V2).format(kills=kills))
    assert killed_for_memory("/docker/c1", tmp_path) is (kills > 0)


def test_in_a_cgroup_that_has_gone_nobody_was_killed(file: Path, tmp_path: Path) -> None:
    assert not killed_for_memory("/docker/c1", tmp_path)


@pytest.mark.parametrize("text", ["", "oom_kill", "oom_kill_disable 0\nunder_oom 0\n"])
def test_an_older_kernel_does_not_count(file: Path, tmp_path: Path, text: str) -> None:
    file.write_text(text)
    assert not killed_for_memory("/docker/c1", tmp_path)
