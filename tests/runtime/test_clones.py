"""Copies of runtimes, and terminals' sockets: where they are, and that nothing is left of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest
import trio

from daemon.runtimes import conmon
from daemon.runtimes.clones import detach_mounts, mounts_below, runtime_environment
from daemon.runtimes.layout import fresh
from daemon.runtimes.monitorfiles import MonitorFiles
from daemon.runtimes.oci import OciRuntime
from daemon.runtimes.processes import spawn, started_ticks, wait_ended
from tests.runtime.hosts import DEAF, REAL_SECONDS, RealRig, started
from tests.unit.actors.fakes import KILL

TERMINAL_SOCKETS: Final = "conmon-term.*"
LONG: Final = "x" * 120  # more than fits into the path of a socket
pytestmark = pytest.mark.runtime


def mounted(file: Path) -> None:
    """Mount a file on itself, as a runtime does that is killed before it has unmounted it."""
    file.touch()
    subprocess.run(["mount", "--bind", file, file], check=True)


async def test_what_a_killed_runtime_has_mounted_in_its_state_is_gone_with_the_run(real: RealRig) -> None:
    try:
        async with started(real, real.record(*DEAF)) as container:
            state = real.host.runtime(container.record).root / container.record.id
            mounted(state / "runtime.abcdef")
            assert mounts_below(state) == [str(state / "runtime.abcdef")]
        assert (state.exists(), mounts_below(state)) == (False, [])
    finally:
        await detach_mounts(real.root)


async def test_mounts_are_found_whatever_their_paths_hold_but_only_below_it(
    tmp_path: Path,
) -> None:
    below, beside = tmp_path / "a b\tc", tmp_path / "a b\tcd"
    for directory in (below, beside):
        directory.mkdir()
        mounted(directory / "1")
    mounted(below / "1")  # once more
    try:
        await detach_mounts(below)
        assert mounts_below(tmp_path) == [str(beside / "1")]
    finally:
        await detach_mounts(tmp_path)
    assert mounts_below(tmp_path) == []


@pytest.mark.parametrize("real", ["crun"], indirect=True)
async def test_crun_executes_a_copy_in_memory(real: RealRig) -> None:
    async with started(real, real.record(*DEAF)) as container:
        own = real.host.runtime(container.record)
        command = (own.path, *own.global_arguments, "exec", container.record.id, "sleep", "1000")
        pid = await spawn(command, Path("/"), runtime_environment(), ())
        with trio.fail_after(REAL_SECONDS):
            while not os.readlink(f"/proc/{pid}/exe").startswith("/memfd:"):  # ruff: ignore[async-busy-wait]  nobody tells us
                await trio.sleep(0.01)
            real.host.signal(container.run, KILL)
            await container.wait()
            await wait_ended(pid, started_ticks(pid))


async def test_a_terminals_socket_is_among_its_monitors_files_however_long_their_path(tmp_path: Path) -> None:
    hanging = tmp_path / "runtime"
    hanging.write_text("#!/bin/sh\nsleep 1000\n")
    hanging.chmod(0o755)
    files = MonitorFiles(tmp_path / LONG, "c1")
    fresh(files.directory)
    order = conmon.Order("c1", OciRuntime(str(hanging), tmp_path), files, None, terminal=True, stdin=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(conmon.create, order)
        with trio.fail_after(REAL_SECONDS):
            while not [*files.directory.glob(TERMINAL_SOCKETS)]:  # ruff: ignore[async-busy-wait]  nobody tells us
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
