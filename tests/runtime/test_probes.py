"""Health probes on the real host: what they answer, what they cost others, and what they leave."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import trio

from daemon.actors.container.snapshot import ContainerRecord
from daemon.model import Healthcheck
from daemon.runtimes.base import PROBE_OUTPUT_BYTES, ProbeOutcome
from daemon.runtimes.processes import plain_environment, spawn
from daemon.runtimes.sealed import SealedBinaries
from daemon.runtimes.strays import end_strays, monitors
from tests.runtime.hosts import DEAF, REAL_SECONDS, RealRig, started

LIMIT_SECONDS: Final = 10.0
LIMITS_SECONDS: Final = (0.5, 2.0, 8.0)  # in one of which a probe gets round to saying something
NAP: Final = 7_000_000 + os.getpid()  # by which nobody else who runs this sleeps
HANGS: Final = f"echo here; sleep {NAP} & sleep {NAP}"
SLEEPS: Final = f"sleep\0{NAP}\0".encode()
pytestmark = pytest.mark.runtime


@asynccontextmanager
async def probed(real: RealRig, *test: str, **changes: object) -> AsyncGenerator[ContainerRecord, None]:
    """Run a container with a health check."""
    record = real.record(*DEAF, healthcheck=Healthcheck(test), **changes)
    async with started(real, record):
        yield record


async def probe(real: RealRig, record: ContainerRecord, limit_seconds: float = LIMIT_SECONDS) -> ProbeOutcome:
    """Probe once; return when nothing is left of the probe."""
    with trio.fail_after(REAL_SECONDS):
        async with trio.open_nursery() as nursery:
            outcome: ProbeOutcome = await nursery.start(real.host.probe, record, limit_seconds)
    return outcome


def sleepers() -> list[int]:
    """Return the processes of probes that hang."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            cmdline, state = (Path(f"/proc/{name}/{file}").read_bytes() for file in ("cmdline", "stat"))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if cmdline.endswith(SLEEPS) and b") Z" not in state:
            found.append(int(name))
    return found


async def until_it_hangs() -> None:
    with trio.fail_after(REAL_SECONDS):
        while len(sleepers()) < 2:  # ruff: ignore[async-busy-wait]  nobody tells us
            await trio.sleep(0.01)


@pytest.mark.parametrize("code", [0, 1, 7, 255])
async def test_a_probe_has_an_exit_code_and_both_outputs(real: RealRig, code: int) -> None:
    async with probed(real, "CMD-SHELL", f"echo out; echo err >&2; exit {code}") as record:
        for _ in range(2):
            outcome = await probe(real, record)
            # runc copies the two by two pipes of its own, so their order is its affair.
            assert (outcome.exit_code, sorted(outcome.said.split())) == (code, [b"err", b"out"])


async def test_it_is_a_process_of_the_container(real: RealRig) -> None:
    find_uid = "while read key id _; do case $key in Uid:) uid=$id;; esac; done < /proc/self/status"
    script = f'read name < /proc/1/comm; {find_uid}; echo "$name $A $PWD $uid"'
    async with probed(real, "CMD", "sh", "-c", script, env=("A=b",), working_dir="/tmp", user="12") as record:
        outcome = await probe(real, record)
    assert outcome == ProbeOutcome(0, b"sh b /tmp 12\n")


async def test_a_command_that_is_not_there_fails_with_the_runtimes_words(real: RealRig) -> None:
    async with probed(real, "CMD", "nonesuch") as record:
        outcome = await probe(real, record)
    assert outcome.exit_code not in {0, None}
    assert b"nonesuch" in outcome.said


async def test_a_runtime_that_has_gone_fails_the_probe_and_nothing_else(real: RealRig) -> None:
    async with probed(real, "CMD-SHELL", "exit 0") as record:
        async with trio.open_nursery() as nursery:
            outcome = await nursery.start(real.host.prober.probe, ("/nowhere/crun", "exec"), 1.0)
        assert outcome == ProbeOutcome(-1, b"/nowhere/crun: No such file or directory")
        assert await probe(real, record) == ProbeOutcome(0)


async def test_long_output_is_read_to_its_end_and_its_start_is_kept(real: RealRig) -> None:
    async with probed(real, "CMD", "seq", "1", "30000") as record:
        outcome = await probe(real, record)
    whole = "".join(f"{number}\n" for number in range(1, 30001)).encode()
    assert outcome == ProbeOutcome(0, whole[: PROBE_OUTPUT_BYTES + 1])


async def test_one_that_takes_too_long_is_killed_with_all_it_has_forked(real: RealRig) -> None:
    async with probed(real, "CMD-SHELL", HANGS) as record:
        for limit_seconds in LIMITS_SECONDS:
            outcome = await probe(real, record, limit_seconds)
            assert (outcome.exit_code, sleepers()) == (None, [])
            if outcome.said:
                break
        assert outcome.said == b"here\n"


async def test_one_that_is_broken_off_leaves_nothing(real: RealRig) -> None:
    async with probed(real, "CMD-SHELL", HANGS) as record:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(probe, real, record)
            await until_it_hangs()
            nursery.cancel_scope.cancel()
        assert sleepers() == []


async def test_it_does_not_wait_for_what_it_has_put_into_the_background(real: RealRig) -> None:
    async with probed(real, "CMD-SHELL", "sleep 5 >/dev/null 2>&1 & echo done") as record:
        assert await probe(real, record) == ProbeOutcome(0, b"done\n")


async def test_what_an_engine_left_when_it_died_is_ended_by_the_next(real: RealRig) -> None:
    async with probed(real, "CMD-SHELL", HANGS) as record:
        layout = real.host.layout
        command = real.host.runtime(record).probe_command(record.id, layout.probe(record.id))
        probing = await spawn(command, layout.exec_root, plain_environment(), ())
        await until_it_hangs()
        (monitor,) = (found.pid for found in monitors(layout.exec_root))
        await end_strays(layout.exec_root, known=(), spared={record.id})
        assert sleepers() == []
        assert [Path(f"/proc/{pid}").exists() for pid in (probing, monitor)] == [False, True]


async def test_a_sealed_copy_is_what_the_binary_was_and_cannot_be_written_to(tmp_path: Path) -> None:
    binary = tmp_path / "runtime"
    binary.write_bytes(Path(sys.executable).resolve().read_bytes())
    binary.chmod(0o755)
    binaries = SealedBinaries()
    copy = await binaries.executable(str(binary))
    assert copy == await binaries.executable(str(binary)) != str(binary)
    assert Path(copy).read_bytes() == binary.read_bytes()
    with pytest.raises(PermissionError):
        os.truncate(copy, 0)
    with pytest.raises(PermissionError):
        Path(copy).write_bytes(b"x")
    another = binary.read_bytes() + b"another"
    binary.write_bytes(another)
    assert Path(await binaries.executable(str(binary))).read_bytes() == another


async def test_a_script_is_executed_as_it_is(tmp_path: Path) -> None:
    script = tmp_path / "wrapper"
    script.write_text("#!/bin/sh\n")
    assert await SealedBinaries().executable(str(script)) == str(script)
