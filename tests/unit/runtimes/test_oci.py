"""The runtime's command line, seen by a script that stands in for the runtime."""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from daemon.errors import Failed, RuntimeFailed, RuntimeUnusable
from daemon.runtimes.oci import OciRuntime


def runtime(tmp_path: Path, script: str) -> OciRuntime:
    """Return a runtime that notes its arguments and then does what `script` says."""
    program = tmp_path / "runtime"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{script}\n')
    program.chmod(0o755)
    return OciRuntime(str(program), tmp_path)


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().replace(f"--root={tmp_path} ", "").splitlines()


async def test_each_operation_is_one_command(tmp_path: Path) -> None:
    (tmp_path / "c1").mkdir()
    under_test = runtime(tmp_path, "exit 0")
    for operation in (under_test.start, under_test.pause, under_test.resume, under_test.delete):
        await operation("c1")
    assert calls(tmp_path) == ["start c1", "pause c1", "resume c1", "delete --force c1"]


async def test_what_does_not_exist_need_not_be_deleted(tmp_path: Path) -> None:
    await runtime(tmp_path, "exit 1").delete("c1")
    assert not (tmp_path / "calls").exists()


async def test_a_refusal_carries_the_runtimes_own_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailed, match=r"^runtime start: no such container$"):
        await runtime(tmp_path, "echo noise; echo no such container >&2; exit 1").start("c1")


async def test_a_silent_refusal_carries_the_exit_status(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailed, match="exit status 3"):
        await runtime(tmp_path, "exit 3").start("c1")


async def test_a_runtime_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailed, match="/nonesuch: No such file or directory"):
        await OciRuntime("/nonesuch", tmp_path).start("c1")


@pytest.mark.parametrize(("status", "operation"), [("paused", "pause"), ("running", "resume")])
async def test_what_is_so_already_is_no_error(tmp_path: Path, status: str, operation: str) -> None:
    script = f"""case "$2" in state) echo '{{"status": "{status}"}}';; *) exit 1;; esac"""
    await getattr(runtime(tmp_path, script), operation)("c1")
    assert calls(tmp_path) == [f"{operation} c1", "state c1"]


@pytest.mark.parametrize("operation", ["pause", "resume"])
async def test_what_is_not_so_is_one(tmp_path: Path, operation: str) -> None:
    script = """case "$2" in state) echo '{"status": "stopped"}';; *) echo no >&2; exit 1;; esac"""
    with pytest.raises(RuntimeFailed, match=f"runtime {operation}: no"):
        await getattr(runtime(tmp_path, script), operation)("c1")


@pytest.mark.parametrize(("restless", "tries"), [(2, 3), (3, 3)])
async def test_processes_that_do_not_hold_still_are_frozen_again(
    tmp_path: Path, restless: int, tries: int
) -> None:
    script = f"""case "$2" in state) echo '{{"status": "running"}}';; *)
        [ $(grep -c pause {tmp_path}/calls) -gt {restless} ] || {{ echo unable to freeze >&2; exit 1; }}
        esac"""
    under_test = runtime(tmp_path, script)
    if restless < tries:
        await under_test.pause("c1")
    else:
        with pytest.raises(RuntimeFailed, match="unable to freeze"):
            await under_test.pause("c1")
    assert calls(tmp_path).count("pause c1") == tries


def test_only_crun_takes_a_compiled_filter() -> None:
    assert OciRuntime("/usr/bin/crun", Path()).accepts_bpf
    assert not OciRuntime("/usr/sbin/runc", Path()).accepts_bpf


async def test_a_runtime_that_hangs_is_given_up(tmp_path: Path, autojump_clock: MockClock) -> None:
    with pytest.raises(RuntimeFailed, match="did not end within 120 s"):
        await runtime(tmp_path, "exec sleep 1000").start("c1")


async def test_a_deletion_that_hangs_is_given_up_sooner(tmp_path: Path, autojump_clock: MockClock) -> None:
    (tmp_path / "c1").mkdir()
    with pytest.raises(RuntimeUnusable, match="did not end within 10 s"):
        await runtime(tmp_path, "exec sleep 1000").delete("c1")


async def test_a_container_is_forgotten_without_its_runtime(tmp_path: Path) -> None:
    (tmp_path / "c1").mkdir()
    (tmp_path / "c1/status").touch()
    under_test = OciRuntime("/nonesuch", tmp_path)
    with pytest.raises(RuntimeUnusable, match="/nonesuch: No such file or directory"):
        await under_test.delete("c1")
    for _ in range(2):
        await under_test.forget("c1")
    assert list(tmp_path.iterdir()) == []


async def test_what_cannot_be_forgotten_is_named(tmp_path: Path) -> None:
    (tmp_path / "c1").touch()
    with pytest.raises(Failed, match="c1 cannot be deleted: Not a directory"):
        await OciRuntime("/nonesuch", tmp_path).forget("c1")


async def test_a_runtime_is_told_nothing_that_is_meant_for_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    script = 'echo "NOTIFY_SOCKET=$NOTIFY_SOCKET PATH=${PATH:+set}" >> "${0%/*}/calls"'
    await runtime(tmp_path, script).start("c1")
    assert calls(tmp_path) == ["start c1", "NOTIFY_SOCKET= PATH=set"]
