"""The engine's side of the resolver: it remembers who is to be answered, and sees that they are.

The resolver is started when askers are expected, or else when the first is put, found again by the next
engine, replaced if it is of another version, and, should it die, started again and told everything again:
`watch` notices that at once, since the kernel closes a connection of its own that nothing is said on.
Whenever a connection is made, all that is remembered is put and all else dropped, so it does not matter
which resolver is at its other end.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Collection, Mapping
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from daemon.errors import Failed
from daemon.networks.plans import Asker
from daemon.networks.resolver.documents import to_document
from daemon.networks.resolver.link import Link, Lost, Silent, connect
from daemon.networks.resolver.starting import start
from daemon.networks.resolver.version import VERSION

LOG = structlog.get_logger(__name__)
CALL_SECONDS: Final = 20.0  # a start on a busy machine is most of it
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 10.0
STABLE_SECONDS: Final = 10.0  # a resolver that lived so long does not die of what it was told
_ATTEMPTS: Final = 5


@attrs.define(eq=False)
class Resolver:
    """Names for containers.

    Attributes:
        control: where the resolver's control socket is; its lock and log are beside it.

    """

    control: Path
    _askers: dict[str, Asker] = attrs.field(factory=dict, init=False)
    _link: Link | None = attrs.field(default=None, init=False)
    _refused: Mapping[str, str] = attrs.field(factory=dict, init=False)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _wanted: trio.Event = attrs.field(factory=trio.Event, init=False)

    def expect(self) -> None:
        """Have `watch` start a resolver: who is put soon should not wait most of a second for it."""
        self._wanted.set()

    async def put(self, asker: Asker) -> None:
        """Have `asker` answered, in place of what was known under its id; when this returns, it is.

        Raises:
            Failed: it is not, and is not remembered either; the text says why.

        """
        async with self._call():
            before = self._askers.get(asker.id)
            self._remember({**self._askers, asker.id: asker})
            done = False
            try:
                await self._ask("put", asker=to_document(asker))
                done = True
            finally:
                if not done:
                    self._remember(_with(self._askers, asker.id, before))

    async def drop(self, asker_id: str) -> None:
        """Have an asker answered no longer, and found by nobody; nothing if it is not known.

        Raises:
            Failed: the resolver does not answer.  It is forgotten all the same: the next connection drops it.

        """
        async with self._call():
            self._remember(_with(self._askers, asker_id, None))
            if await self._found():
                await self._ask("drop", id=asker_id)

    async def keep(self, askers: Collection[Asker]) -> Mapping[str, str]:
        """Have these answered and nobody else, as an engine that starts wants it.

        Returns:
            Those who could not be, by id, with the reason: their namespace has gone, as a rule.

        Raises:
            Failed: the resolver cannot be started, or does not answer.

        """
        async with self._call():
            self._remember({asker.id: asker for asker in askers})
            self.close()  # a new connection is told all
            link = await self._linked() if askers else await self._found()
            return self._refused if link else {}

    async def watch(self) -> None:
        """See to it, until cancelled, that a resolver which dies is replaced."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            await self._wanted.wait()
            began = trio.current_time()
            try:
                await self._guard()
                LOG.warning("the resolver ended; starting another")
            except Failed as error:
                LOG.error("containers' names are not answered", reason=str(error))
            if trio.current_time() - began > STABLE_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            await trio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)

    def close(self) -> None:
        """Let go of the resolver, which goes on without us."""
        if self._link is not None:
            self._link.close()

    async def _guard(self) -> None:
        """Return when the resolver has ended that answers now."""
        async with self._call():
            await self._linked()
            try:
                watching = await connect(self.control)
            except Lost:
                self.close()
                raise
        try:
            await watching.ended()
            self.close()  # at the same resolver's, and nobody has noticed
        finally:
            watching.close()

    @contextlib.asynccontextmanager
    async def _call(self) -> AsyncGenerator[None, None]:
        """Take our turn, and not for ever.

        Raises:
            Failed: it took too long.

        """
        try:
            with trio.fail_after(CALL_SECONDS):
                async with self._turn:
                    yield
        except trio.TooSlowError:
            raise Failed(f"the resolver took more than {CALL_SECONDS:g} s") from None

    def _remember(self, askers: dict[str, Asker]) -> None:
        self._askers = askers
        if askers:
            self._wanted.set()  # and it stays so: where somebody has asked, others will

    async def _ask(self, do: str, **parts: object) -> None:
        """Ask, and once more if the resolver turns out to have ended since we last did."""
        try:
            await (await self._linked()).ask(do, **parts)
        except Lost:
            await (await self._linked()).ask(do, **parts)

    async def _linked(self) -> Link:
        """Return a connection to a resolver of our version that knows all that we remember."""
        link = await self._found()
        for _ in range(_ATTEMPTS):
            if link is not None:
                return link
            await start(self.control)
            link = await self._found()
        raise Failed("the resolver ends as soon as it has started")

    async def _found(self) -> Link | None:
        """Return such a connection if a resolver runs, replaced by one of our version if need be."""
        if self._link is not None and not self._link.closed:
            return self._link
        try:
            self._link = await self._of_our_version()
            self._refused = await self._tell_all(self._link)
        except Lost:
            return None
        return self._link

    async def _of_our_version(self) -> Link:
        link = await connect(self.control)
        pid = link.pid()
        try:
            found = (await link.ask("hello"))["version"]
        except Silent:
            LOG.error("the resolver hangs; killing it", pid=pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise
        if found == VERSION:
            return link
        LOG.info("replacing a resolver of another version", found=found, ours=VERSION)
        link.close()
        await start(self.control, "--replace")
        return await connect(self.control)

    async def _tell_all(self, link: Link) -> dict[str, str]:
        refused: dict[str, str] = {}
        for asker in self._askers.values():
            try:
                await link.ask("put", asker=to_document(asker))
            except Lost:
                raise
            except Failed as error:
                refused[asker.id] = str(error)
                LOG.warning("a container's names are not answered", container=asker.id, reason=str(error))
        await link.ask("keep", ids=list(self._askers))
        return refused


def _with(askers: dict[str, Asker], asker_id: str, asker: Asker | None) -> dict[str, Asker]:
    """Return `askers` with this one as it was before."""
    others = {key: value for key, value in askers.items() if key != asker_id}
    return others | ({asker_id: asker} if asker else {})
