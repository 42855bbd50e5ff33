"""The command line of an OCI runtime: runc's, which crun and others share.

A thin wrapper that keeps nothing: the caller decides what is legal.  The runtime's own words come back in
`RuntimeFailed`, because clients tell failures apart by them.
"""

from __future__ import annotations

import os
import subprocess  # noqa: S404  constants only; processes go through trio
from pathlib import Path

import attrs
import trio

from daemon.errors import RuntimeFailed

ERROR_BYTES = 16384


@attrs.frozen
class OciRuntime:
    """One runtime binary and the directory in which it keeps its state."""

    path: str
    root: Path

    @property
    def global_arguments(self) -> tuple[str, ...]:
        """What stands before every command."""
        return (f"--root={self.root}",)

    @property
    def accepts_bpf(self) -> bool:
        """Whether it loads a compiled filter (crun(1), run.oci.seccomp_bpf_data)."""
        return Path(self.path).name == "crun"

    async def start(self, container_id: str) -> None:
        """Let a created container's process go on to the user's program."""
        await self._call("start", container_id)

    async def pause(self, container_id: str) -> None:
        """Freeze all processes."""
        await self._call("pause", container_id)

    async def resume(self, container_id: str) -> None:
        """Thaw all processes."""
        await self._call("resume", container_id)

    async def delete(self, container_id: str) -> None:
        """Kill what is left of a container and forget it; one that does not exist is no error."""
        if (self.root / container_id).exists():
            await self._call("delete", "--force", container_id)

    async def _call(self, *arguments: str) -> None:
        """Run a command.

        Raises:
            RuntimeFailed: it ended with another code than 0, or could not be run.

        """
        operation = f"{Path(self.path).name} {arguments[0]}"
        # A file, not a pipe: a container's init may inherit it and keep a pipe open (runc #1721).
        with os.fdopen(os.memfd_create("stderr"), "r+b") as stderr:
            try:
                done = await trio.run_process(
                    [self.path, *self.global_arguments, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    check=False,
                )
            except OSError as error:
                raise RuntimeFailed(operation, f"{self.path}: {error.strerror}") from error
            if done.returncode != 0:
                stderr.seek(0)
                said = stderr.read(ERROR_BYTES).decode(errors="replace").strip()
                raise RuntimeFailed(operation, said or f"exit status {done.returncode}")
