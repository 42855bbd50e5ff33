"""The real host, where a fake could not tell: output, hanging runtimes, memory, files that stay."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio

from daemon.actors.container.snapshot import ContainerRecord
from daemon.errors import Conflict, Failed, RuntimeFailed
from daemon.runtimes import conmon, oci
from daemon.runtimes.base import Exit
from daemon.runtimes.failures import launch_failure
from daemon.runtimes.monitorfiles import OOM
from daemon.runtimes.processes import wait_ended
from daemon.runtimes.stages import Stages, show_in
from daemon.runtimes.table import LockedRuntime
from tests.runtime.hosts import DEAF, REAL_SECONDS, RealRig, discarded, launched, started
from tests.unit.actors.fakes import KILL

pytestmark = pytest.mark.runtime


async def test_an_attached_client_gets_all_output(real: RealRig) -> None:
    async with started(real, real.record("seq", "1", "50000")) as container:
        written = await container.output()
        assert await container.wait() == Exit(0)
    assert written == "".join(f"{number}\n" for number in range(1, 50001)).encode()


async def test_all_output_is_in_the_log_when_the_exit_is_known(real: RealRig) -> None:
    record = real.record("seq", "1", "2000")
    async with started(real, record) as container:
        await container.output()
        await container.wait()
        entries = [line.split(" ", 3) for line in Path(record.log_path).read_text().splitlines()]
    # A line that came in two pieces is two entries, the first of them marked P for partial.
    logged = "".join(text + ("\n" if tag == "F" else "") for _, _, tag, text in entries)
    assert logged == "".join(f"{number}\n" for number in range(1, 2001))


async def test_what_a_container_has_written_is_there_when_it_runs_again(real: RealRig) -> None:
    record = real.record("sh", "-c", "test -e /mark && exit 3; touch /mark")
    with trio.fail_after(REAL_SECONDS):
        try:
            for code in (0, 3):
                run = await launched(real, record)
                assert await real.host.wait(record, run) == Exit(code)
                await real.host.clean_up(record, run)
        finally:
            await discarded(real, record)
    assert real.left(record) == []


async def test_input_reaches_the_process_and_ends(real: RealRig) -> None:
    async with started(real, real.record("cat", open_stdin=True, stdin_once=True)) as container:
        await container.stdio.send(b"hello")
        container.stdio.send_eof()
        assert await container.output() == b"hello"
        assert await container.wait() == Exit(0)


async def test_a_process_that_takes_too_much_memory_is_reported_as_such(real: RealRig) -> None:
    limit_bytes = 16 * 1024 * 1024
    command = ("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
    record = real.record(*command, memory=limit_bytes, memory_swap=limit_bytes)
    async with started(real, record) as container:
        assert await container.wait() == Exit(137, oom_killed=True)


async def test_it_is_even_if_its_monitor_has_not_heard_of_it(real: RealRig) -> None:
    limit_bytes = 16 * 1024 * 1024
    command = ("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
    record = real.record(*command, memory=limit_bytes, memory_swap=limit_bytes)
    async with started(real, record) as container:
        await wait_ended(container.run.monitor_pid, container.run.monitor_started_ticks)
        (real.host.layout.monitor(record.id).directory / OOM).unlink(missing_ok=True)
        assert await container.wait() == Exit(137, oom_killed=True)


async def test_who_is_killed_by_somebody_has_not_taken_too_much_memory(real: RealRig) -> None:
    async with started(real, real.record(*DEAF)) as container:
        real.host.signal(container.run, KILL)
        assert await container.wait() == Exit(137)


def hanging(real: RealRig, tmp_path: Path, how: str) -> ContainerRecord:
    """Return a container whose runtime never answers."""
    script = tmp_path / "hanging"
    script.write_text(f"#!/bin/sh\n{how}\n")
    script.chmod(0o755)
    return attrs.evolve(real.record("sh"), runtime=LockedRuntime("hanging", str(script), str(script)))


@pytest.mark.parametrize("how", ["exec sleep 1000", "sleep 1000 & wait", "kill -STOP $$"])
async def test_a_runtime_that_hangs_is_given_up(
    real: RealRig, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conmon, "CALL_SECONDS", 0.2)
    record = hanging(real, tmp_path, how)
    stages = Stages()
    show_in(stages)
    with trio.fail_after(REAL_SECONDS):
        try:
            with pytest.raises(RuntimeFailed, match="hanging create: did not end within"):
                await real.host.create(record)
        finally:
            await discarded(real, record)
    assert real.left(record) == []
    assert list(stages) == []


async def test_a_runtime_that_hangs_can_be_broken_off(real: RealRig, tmp_path: Path) -> None:
    record = hanging(real, tmp_path, "exec sleep 1000")
    bundle = real.host.layout.bundle(record.id)
    with trio.fail_after(REAL_SECONDS):
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(real.host.create, record)
                while not bundle.exists():
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        finally:
            await discarded(real, record)
    assert real.left(record) == []


def never_deleting(real: RealRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContainerRecord:
    """Return a container whose runtime does all but delete it, which is not waited for long."""
    monkeypatch.setattr(oci, "DELETE_SECONDS", 0.2)
    script = tmp_path / "unusable"
    record = real.record(*DEAF)
    binary = real.host.runtime(record).path
    script.write_text(f'#!/bin/sh\ncase " $* " in *" delete "*) kill -STOP $$ ;; esac\nexec {binary} "$@"\n')
    script.chmod(0o755)
    return attrs.evolve(record, runtime=LockedRuntime("unusable", str(script), binary))


@pytest.mark.parametrize("how", ["hangs", "is gone"])
@pytest.mark.parametrize("frozen", [False, True])
async def test_a_container_is_ended_without_a_runtime_that_does_not_delete_it(
    real: RealRig, tmp_path: Path, how: str, frozen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = never_deleting(real, tmp_path, monkeypatch)
    async with started(real, record) as container:
        await container.ready()
        if frozen:
            await real.host.freeze(record)
        if how == "is gone":
            Path(real.host.runtime(record).path).unlink()
        await real.host.clean_up(record, container.run)
        await wait_ended(container.run.pid, container.run.started_ticks)


async def test_what_could_not_be_cleaned_up_is_ended_before_the_next_run(
    real: RealRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = never_deleting(real, tmp_path, monkeypatch)
    async with started(real, record) as container:
        await container.ready()
        run, _ = await real.host.create(record)
        await wait_ended(container.run.pid, container.run.started_ticks)
        await real.host.clean_up(record, run)


async def test_a_runtime_that_is_not_there_is_named(real: RealRig) -> None:
    record = attrs.evolve(real.record("sh"), runtime=LockedRuntime("none", "/nonesuch", "/nonesuch"))
    with trio.fail_after(REAL_SECONDS):
        try:
            with pytest.raises((RuntimeFailed, Failed)):
                await real.host.create(record)
        finally:
            await discarded(real, record)
    assert real.left(record) == []


@pytest.mark.parametrize(
    ("path", "code"), [("/nonesuch", 127), ("nonesuch", 127), ("/etc", 126), ("/mode", 126)]
)
async def test_what_cannot_be_executed_has_a_shells_exit_code(real: RealRig, path: str, code: int) -> None:
    record = real.record(path)
    layer = real.layer
    (layer / "mode").write_text("not executable")
    with trio.fail_after(REAL_SECONDS):
        try:
            with pytest.raises(RuntimeFailed) as raised:
                await launched(real, record)
        finally:
            await discarded(real, record)
    assert launch_failure(raised.value)[1] == code
    assert real.left(record) == []


async def test_a_terminal_knows_its_size(real: RealRig) -> None:
    loop = "stty size; read line; stty size"
    async with started(real, real.record("sh", "-c", loop, tty=True, open_stdin=True)) as container:
        await container.stdio.receive_batch()
        real.host.resize(container.record, 24, 80)
        await container.stdio.send(b"\n")
        assert b"24 80" in await container.output()


async def test_what_has_no_process_has_neither_terminal_nor_stdio(real: RealRig) -> None:
    record = real.record("sh")
    with pytest.raises(Conflict):
        real.host.resize(record, 24, 80)
    with pytest.raises(Failed, match="monitor does not listen"):
        real.host.connect(record)


async def test_a_container_that_is_created_only_can_be_cleaned_up(real: RealRig) -> None:
    record = real.record(*DEAF)
    with trio.fail_after(REAL_SECONDS):
        run, _ = await real.host.create(record)
        await discarded(real, record, run)
    assert real.left(record) == []
