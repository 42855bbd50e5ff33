"""Replaces the configuration, one reload after the other, and never by halves.

A reload makes a complete new configuration off to the side: read, checked, looked up, its scripts written,
its event and its number committed.  Only then is it published, in one assignment; whatever fails before
leaves the old one as it was, and the reason in the log and in `LiveConfiguration.refusal`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import attrs
import structlog

from daemon.actors.configuration.deriving import ConfigurationHost
from daemon.actors.configuration.plan import Plan, make_plan
from daemon.actors.configuration.value import ID, KIND, Configuration, Published, fingerprint, in_force
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.mailbox import Command, Mailbox, Request
from daemon.actors.published import Cell
from daemon.configuration import InvalidSettings
from daemon.errors import EngineError, Failed, InvalidParameter, Unavailable
from daemon.failpoints import reached
from daemon.journal import EventDraft, Ledger, Record, Transaction
from daemon.startup import MissingProgram
from daemon.wire import to_record

LOG = structlog.get_logger(__name__)


class ReloadRefused(InvalidParameter):
    """The configuration cannot be used, the one in force goes on; `problems` says all that is wrong."""

    def __init__(self, *problems: str) -> None:
        super().__init__(f"configuration not reloaded: {'; '.join(problems)}")
        self.problems = problems


@attrs.frozen
class Reload(Command[Plan]):
    """Read the configuration again and put it in force."""


@attrs.frozen
class Refusal:
    """A reload that did not happen."""

    at_ns: int
    problems: tuple[str, ...]


@attrs.define(eq=False)
class LiveConfiguration:
    """The configuration in force, as the rest of the engine sees it.

    `containers` returns what a plan is to look at; `refusal` is the last reload's, None if it happened.
    """

    cell: Cell[Configuration]
    host: ConfigurationHost
    containers: Callable[[], Iterable[ContainerSnapshot]]
    mailbox: Mailbox = attrs.field(factory=lambda: Mailbox("configuration"), init=False)
    refusal: Refusal | None = attrs.field(default=None, init=False)

    @property
    def current(self) -> Configuration:
        """The configuration in force; take it once for each operation."""
        return self.cell.current

    async def reload(self) -> Plan:
        """Replace the configuration; return what that meant.

        Raises:
            ReloadRefused: it cannot be used.
            Failed: the disk refuses.

        """
        return await self.mailbox.ask(Reload())

    async def plan(self) -> Plan:
        """Return what a reload would do now; nothing is changed.

        Raises:
            ReloadRefused: the configuration could not be used.
            Failed: the host refuses to be looked at.

        """
        try:
            wanted = await self.host.read()
            # Not of `wanted` itself: the scripts stay in the data-root that this engine was started with.
            runtimes = await self.host.look_up(in_force(wanted, self.current.settings))
        except InvalidSettings as error:
            raise ReloadRefused(*error.problems) from None
        except MissingProgram as error:
            raise ReloadRefused(str(error)) from None
        except OSError as error:
            raise Failed(f"runtimes cannot be looked up: {error}") from error
        return make_plan(self.current, wanted, runtimes, self.containers())


class Announcer(Protocol):
    """Whoever is told that a reload begins and is over, as sd_notify(3) has it."""

    def reloading(self) -> None:
        """A reload begins."""

    def ready(self) -> None:
        """It is over, well or not."""


@attrs.define(eq=False)
class ConfigurationActor:
    """The task behind `LiveConfiguration`.

    `event` makes the event of a reload; `apply` is told of each configuration as soon as it is in force.
    """

    live: LiveConfiguration
    ledger: Ledger
    announcer: Announcer
    event: Callable[[Configuration], EventDraft]
    apply: Callable[[Configuration], None]
    now_ns: Callable[[], int] = time.time_ns
    _at_hand: Request[Any] | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        """Reload whenever asked, until cancelled; every request taken is answered."""
        try:
            while True:
                request = await self.live.mailbox.take()
                assert isinstance(request, Request)
                self._at_hand = request
                await self._answer(request)
        finally:
            if self._at_hand is not None:
                self._at_hand.refuse(Unavailable("the engine ended before the configuration was reloaded"))

    async def _answer(self, request: Request[Plan]) -> None:
        self.announcer.reloading()
        try:
            plan = await self._reload()
        except (
            Exception
        ) as error:  # a bug of ours, too, leaves the old configuration in force, and must be seen
            self._note(error)
            self.announcer.ready()
            if not isinstance(error, EngineError):
                raise
            request.refuse(error)
        else:
            self.live.refusal = None
            self.announcer.ready()
            request.answer(plan)

    def _note(self, error: Exception) -> None:
        problems = error.problems if isinstance(error, ReloadRefused) else (str(error) or repr(error),)
        LOG.error("configuration not reloaded, the old one stays", problems=problems)
        self.live.refusal = Refusal(self.now_ns(), problems)

    async def _reload(self) -> Plan:
        plan = await self.live.plan()
        plan = attrs.evolve(plan, configuration=await realized(self.live.host, plan.configuration))
        await self.ledger.commit(
            Transaction(put=(as_record(plan.configuration),), events=(self.event(plan.configuration),))
        )
        reached("reload-committed")
        self.live.cell.publish(plan.configuration)
        self.apply(plan.configuration)
        LOG.info(
            "configuration reloaded",
            generation=plan.configuration.generation,
            changed=[change.key for change in plan.changes],
            after_restart=[change.key for change in plan.configuration.pending],
        )
        for warning in plan.configuration.warnings:
            LOG.warning("configuration", warning=warning)
        return plan


async def realized(host: ConfigurationHost, configuration: Configuration) -> Configuration:
    """Have what a configuration needs written, so that it can be published.

    Raises:
        Failed: the disk refuses.

    """
    try:
        runtimes = await host.realize(configuration.runtimes)
    except OSError as error:
        raise Failed(f"a runtime's wrapper script cannot be written: {error}") from error
    return attrs.evolve(configuration, runtimes=runtimes)


def as_record(configuration: Configuration) -> Record:
    """Return what the journal keeps of the configuration in force."""
    content = fingerprint(configuration.settings, configuration.runtimes)
    return Record(KIND, ID, to_record(Published(configuration.generation, content)))
