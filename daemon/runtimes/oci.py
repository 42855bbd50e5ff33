"""The command line of an OCI runtime: runc's, which crun and others share.

A thin wrapper that keeps nothing: the caller decides what is legal.  The runtime's own words come back in
`RuntimeFailed`, because clients tell failures apart by them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess  # noqa: S404  constants only; processes go through trio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs
import trio

from daemon.errors import Failed, RuntimeFailed, RuntimeUnusable
from daemon.runtimes.clones import detach_mounts, runtime_environment
from daemon.runtimes.families import kill_family
from daemon.runtimes.stages import stage

OUTPUT_BYTES: Final = 16384
FREEZE_TRIES: Final = 3
RESTLESS: Final = "unable to freeze"  # in runc's words, for a cgroup v1
CALL_SECONDS: Final = 120.0  # a runtime that hangs must not make its container impossible to end
DELETE_SECONDS: Final = 10.0  # then it is done without


@attrs.frozen
class OciRuntime:
    """One runtime and the directory in which it keeps its state.

    `path` is executed; `binary` is the runtime itself, where `path` is a script around it.
    """

    path: str
    root: Path
    binary: str = attrs.field(default=attrs.Factory(lambda self: self.path, takes_self=True))

    @property
    def global_arguments(self) -> tuple[str, ...]:
        """What stands before every command; by it `strays.py` knows a runtime of ours."""
        return (f"--root={self.root}",)

    @property
    def accepts_bpf(self) -> bool:
        """Whether it loads a compiled filter (crun(1), run.oci.seccomp_bpf_data)."""
        return Path(self.binary).name == "crun"

    def probe_command(self, container_id: str, process: Path) -> tuple[str, ...]:
        """Return the command line that executes a process document in a running container."""
        return (self.path, *self.global_arguments, "exec", f"--process={process}", container_id)

    def operation(self, command: str) -> str:
        """Return how one of its commands is called where people read of it."""
        return f"{Path(self.binary).name} {command}"

    async def start(self, container_id: str) -> None:
        """Let a created container's process go on to the user's program."""
        await self._call("start", container_id)

    async def pause(self, container_id: str) -> None:
        """Freeze all processes; if they are frozen, that is no error.

        On a busy host runc gives up on processes that are not still for long enough, and thaws them all.
        """
        for _ in range(FREEZE_TRIES - 1):
            try:
                await self._bring("pause", container_id, "paused")
            except RuntimeFailed as error:
                if RESTLESS not in str(error):
                    raise
            else:
                return
        await self._bring("pause", container_id, "paused")

    async def resume(self, container_id: str) -> None:
        """Thaw all processes; if they are not frozen, that is no error."""
        await self._bring("resume", container_id, "running")

    async def update(self, container_id: str, resources: Mapping[str, Any]) -> None:
        """Give a running container other limits: sections of the spec's `linux.resources`."""
        await self._call("update", "--resources=-", container_id, given=json.dumps(resources).encode())

    async def delete(self, container_id: str) -> None:
        """Kill what is left of a container and forget it; one that does not exist is no error.

        Raises:
            RuntimeUnusable: it has not; `forget` does it without the runtime.
            RuntimeFailed: the runtime refuses.

        """
        state = self.root / container_id
        if state.exists():
            await detach_mounts(state)
            await self._call("delete", "--force", container_id, limit_seconds=DELETE_SECONDS)

    async def forget(self, container_id: str) -> None:
        """Delete what the runtime knows of a container of which no process is left.

        Raises:
            Failed: something cannot be deleted.

        """
        state = self.root / container_id
        await detach_mounts(state)
        try:
            with suppress(FileNotFoundError):  # it had come that far
                await trio.to_thread.run_sync(shutil.rmtree, state)
        except OSError as error:
            raise Failed(f"{state} cannot be deleted: {error.strerror}") from error

    async def _bring(self, command: str, container_id: str, status: str) -> None:
        """Run a command that leads to `status`; runc refuses it in what has that status already."""
        try:
            await self._call(command, container_id)
        except RuntimeFailed as refused:
            refusal = refused
        else:
            return
        if await self.status(container_id) != status:
            raise refusal

    async def status(self, container_id: str) -> str:
        """Return what it calls the container's state: created, running, paused, stopped."""
        state: dict[str, str] = json.loads(await self._call("state", container_id))
        return state["status"]

    async def _call(self, *arguments: str, given: bytes = b"", limit_seconds: float = CALL_SECONDS) -> bytes:
        """Run a command, which may read `given`, and return what it printed.

        Raises:
            RuntimeUnusable: it did not end in time, or could not be run.
            RuntimeFailed: it ended with another code than 0.

        """
        operation = self.operation(arguments[0])
        # Files, not pipes: a container's init may inherit them and keep a pipe open (runc #1721).
        with stage(operation, limit_seconds), _file("stdout") as stdout, _file("stderr") as stderr:
            try:
                with trio.fail_after(limit_seconds):
                    done = await trio.run_process(
                        [self.path, *self.global_arguments, *arguments],
                        stdin=given or subprocess.DEVNULL,
                        stdout=stdout,
                        stderr=stderr,
                        check=False,
                        env=runtime_environment(),
                        deliver_cancel=_kill,
                    )
            except trio.TooSlowError as error:
                raise RuntimeUnusable(operation, f"did not end within {limit_seconds:.0f} s") from error
            except OSError as error:
                raise RuntimeUnusable(operation, f"{self.path}: {error.strerror}") from error
            if done.returncode != 0:
                said = _start_of(stderr).decode(errors="replace").strip()
                raise RuntimeFailed(operation, said or f"exit status {done.returncode}")
            return _start_of(stdout)


async def _kill(process: trio.Process) -> None:
    # Runtimes do nothing about SIGTERM; and one that is a script has children, which would be left.
    await kill_family(process.pid)


def _file(name: str) -> BinaryIO:
    return os.fdopen(os.memfd_create(name), "r+b")


def _start_of(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(OUTPUT_BYTES)
