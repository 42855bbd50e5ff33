"""How a run is tied to one runtime of one configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.errors import InvalidParameter, RuntimeFailed
from daemon.runtimes.table import LockedRuntime
from tests.unit.runtimes.tables import RUNTIMES, a_table


def test_a_run_remembers_the_generation_it_was_started_under() -> None:
    assert a_table("crun", generation=7).lock("crun") == LockedRuntime(
        "crun", "/usr/bin/crun", "/usr/bin/crun", (), 7
    )


@pytest.mark.parametrize("name", ["io.containerd.runc.v1", "io.containerd.runc.v2"])
def test_runc_s_shim_means_runc(name: str) -> None:
    assert RUNTIMES.lock(name).path == "/usr/bin/runc"


def test_crun_s_shim_means_crun() -> None:
    assert RUNTIMES.lock("io.containerd.crun.v1").path == "/usr/bin/crun"


@pytest.mark.parametrize("name", ["", "nope", "/usr/bin/runc", "../runc", ".x", "a/b.c"])
def test_what_is_not_configured_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        RUNTIMES.lock(name)
    assert str(refused.value) == f"unknown or invalid runtime name: {name}"


@pytest.mark.parametrize("name", ["io.containerd.runsc.v1", "io.containerd.kata.v2"])
def test_another_shim_is_refused_with_what_to_do_instead(name: str) -> None:
    with pytest.raises(
        InvalidParameter, match=rf"^unknown or invalid runtime name: {name} \(.*configure the path"
    ):
        RUNTIMES.lock(name)


def test_a_runtime_that_may_not_be_executed_is_named(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    with pytest.raises(RuntimeFailed, match=f'exec: "{plain}": permission denied'):
        LockedRuntime("plain", str(plain), str(plain)).check_installed()


def test_a_directory_is_no_runtime(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailed, match=f'exec: "{tmp_path}": is a directory'):
        LockedRuntime("plain", str(tmp_path), str(tmp_path)).check_installed()


def test_a_runtime_that_is_there_is_accepted() -> None:
    LockedRuntime("sh", "/bin/sh", "/bin/sh").check_installed()
