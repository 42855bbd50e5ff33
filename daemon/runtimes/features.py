"""What OCI runtimes say they can do: `RUNTIME features` (OCI runtime-spec, features.md).

Asking is a courtesy to who reads `/info`, so no runtime can make it fail, or take long, or take much
memory: what is not a document within the limits is None.  A binary is asked once, and again only when
it is another one (replaced by a package's update), because a reload of the configuration must not wait
for twenty programs.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess  # noqa: S404  constants only; processes go through trio
from collections.abc import Collection, Mapping
from typing import Any, BinaryIO, Final

import attrs
import orjson
import structlog
import trio

from daemon.runtimes.clones import runtime_environment

PROBE_SECONDS: Final = 2.0
AT_ONCE: Final = 4
OUTPUT_BYTES: Final = 256 * 1024  # runc 1.1 has 5 KiB to say
LOG: Final = structlog.get_logger(__name__)

Document = Mapping[str, Any]


class NoDocument(Exception):
    """A runtime that was asked has not printed a features document."""


@attrs.frozen
class Identity:
    """A binary as it was when it was asked."""

    path: str
    device: int
    inode: int
    changed_ns: int
    size: int

    @classmethod
    def of(cls, path: str) -> Identity | None:
        """Return who is at `path` now, or None if nobody can be; blocks."""
        try:
            status = os.stat(path)
        except (OSError, ValueError):  # a path with NUL is a ValueError
            return None
        return cls(path, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


@attrs.define(eq=False)
class FeatureProbe:
    """Asks runtimes for their features and remembers the answers.

    Attributes:
        limit_seconds: how long one runtime may take.

    """

    limit_seconds: float = PROBE_SECONDS
    _answers: dict[Identity, Document | None] = attrs.field(factory=dict, init=False)

    async def probe(self, binaries: Collection[str]) -> Mapping[str, Document | None]:
        """Return for each binary its features document, None for those that have none to show.

        Answers about binaries that are not asked for any more are forgotten.
        """
        identities = await trio.to_thread.run_sync(lambda: {path: Identity.of(path) for path in binaries})
        known = self._answers
        answers = {identity: known[identity] for identity in identities.values() if identity in known}
        at_once = trio.CapacityLimiter(AT_ONCE)

        async def learn(identity: Identity) -> None:
            async with at_once:
                try:
                    answers[identity] = await self._ask(identity.path)
                except NoDocument as reason:  # that it hangs, too, is remembered: nobody should pay twice
                    answers[identity] = None
                    LOG.info("a runtime does not tell its features", path=identity.path, reason=str(reason))
                except OSError as error:  # not remembered: it may be made executable yet
                    LOG.info("a runtime cannot be asked for its features", reason=str(error))

        async with trio.open_nursery() as nursery:
            for identity in identities.values():
                if identity is not None and identity not in answers:
                    nursery.start_soon(learn, identity)
        self._answers = answers
        return {path: answers.get(identity) if identity else None for path, identity in identities.items()}

    async def _ask(self, path: str) -> Document:
        """Run `path features` and return the document it printed, if it did.

        Raises:
            NoDocument: it ran, and this is all we will learn from it.
            OSError: it could not be run.

        """
        with _bounded_file("stdout") as stdout, _bounded_file("stderr") as stderr:
            with trio.move_on_after(self.limit_seconds) as limit:
                done = await trio.run_process(
                    [path, "features"],
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    check=False,
                    env=runtime_environment(),
                    start_new_session=True,
                    deliver_cancel=_kill,
                )
            if limit.cancelled_caught:
                raise NoDocument(f"did not end within {self.limit_seconds:g} s")
            if done.returncode != 0:  # crun before 1.9 does not know the command
                said = _written(stderr).decode(errors="replace").strip()
                raise NoDocument(said or f"exit status {done.returncode}")
            return _document(_written(stdout))


def _document(output: bytes) -> Document:
    try:
        document = orjson.loads(output)
    except orjson.JSONDecodeError as error:
        raise NoDocument(str(error)) from error
    if not isinstance(document, dict):
        raise NoDocument("no JSON object")
    return document


async def _kill(process: trio.Process) -> None:  # ruff: ignore[unused-async]  as trio calls it
    os.killpg(process.pid, signal.SIGKILL)  # a script's children as well: nobody waits for them


def _bounded_file(name: str) -> BinaryIO:
    """Return a file in memory that the kernel does not let grow beyond `OUTPUT_BYTES` (memfd_create(2))."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(fd, OUTPUT_BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
    return os.fdopen(fd, "r+b", buffering=0)


def _written(file: BinaryIO) -> bytes:
    """Return what was written to the file: up to its offset, which the runtime's writes have moved."""
    return os.pread(file.fileno(), file.tell(), 0)
