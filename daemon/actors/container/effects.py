"""What a container's actor does on behalf of a transition.

An effect returns at once: what takes time is a child task, which reports to the actor's mailbox.
Only the launch knows the order of things within one run; whether they may happen at all is the
table's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import attrs
import structlog
import trio

from daemon.actors.container.attachments import NOWHERE
from daemon.actors.container.backoff import BackOff
from daemon.actors.container.commands import ForceRemove, Remove
from daemon.actors.container.freezing import Freezing
from daemon.actors.container.host import ContainerHost
from daemon.actors.container.lifecycle import Effect
from daemon.actors.container.memberships import Memberships
from daemon.actors.container.probing import Probing
from daemon.actors.container.refusals import refusal
from daemon.actors.container.reports import (
    CleanedUp,
    Deleted,
    DeleteFailed,
    Exited,
    GraceExpired,
    Initialized,
    LaunchFailed,
    Lost,
    Started,
    WriteAgain,
)
from daemon.actors.container.runtasks import RunTasks
from daemon.actors.container.sessions import Sessions
from daemon.actors.container.signals import grace_seconds, signal_of
from daemon.actors.container.snapshot import ContainerRecord, ContainerSnapshot
from daemon.actors.container.states import State
from daemon.actors.container.updates import Updates
from daemon.actors.container.visits import Visits
from daemon.actors.mailbox import Event, Mailbox
from daemon.actors.published import Cell
from daemon.actors.seeing_out import seen_out, unless
from daemon.errors import Conflict, EngineError, Failed
from daemon.failpoints import boundaries, reached
from daemon.runtimes.attach import AttachSession
from daemon.runtimes.base import Run
from daemon.runtimes.failures import launch_failure
from daemon.runtimes.stages import stage
from daemon.runtimes.table import RuntimeTable

LOG = structlog.get_logger(__name__)
WRITE_AGAIN_SECONDS: Final = 5.0
FAILPOINTS: Final = boundaries("effect", Effect)


@attrs.define(eq=False)
class Effects:
    """The hands of one actor; `tasks` live as long as that."""

    cell: Cell[ContainerSnapshot]
    mailbox: Mailbox
    host: ContainerHost
    tasks: trio.Nursery
    runtimes: Callable[[], RuntimeTable]
    now_ns: Callable[[], int]
    visits: Visits = attrs.field(factory=Visits)
    _sessions: Sessions = attrs.field(init=False)
    _launch: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _back_off: BackOff = attrs.field(init=False)
    _of_run: RunTasks = attrs.field(init=False)
    _freezing: Freezing = attrs.field(init=False)
    _updates: Updates = attrs.field(init=False)
    _memberships: Memberships = attrs.field(init=False)
    _reminding: bool = attrs.field(default=False, init=False)
    _performers: Mapping[Effect, Callable[[Any], object]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._of_run = RunTasks(self.tasks)
        self._freezing = Freezing(self.cell, self.mailbox, self.host, self._of_run)
        self._back_off = BackOff(self.cell, self.mailbox, self.runtimes, self.tasks)
        self._updates = Updates(self.cell, self.mailbox, self.host, self.tasks)
        self._memberships = Memberships(self.cell, self.mailbox, self.host, self.tasks)
        self._sessions = Sessions(lambda: self.host.connect(self._record))
        self._performers = {
            Effect.LAUNCH: self._start_launch,
            Effect.WATCH: self._resume_watch,
            Effect.GIVE_UP: self._give_up,
            Effect.ABORT: lambda _: self._launch.cancel(),
            Effect.CONNECT: lambda _: self._sessions.connect_waiting(),
            Effect.SIGNAL: lambda message: self._signal(Effect.SIGNAL, message),
            Effect.KILL: lambda message: self._signal(Effect.KILL, message),
            Effect.ARM_GRACE: self._arm_grace,
            Effect.SHORTEN_GRACE: self._shorten_grace,
            Effect.FREEZE: self._freezing.freeze,
            Effect.THAW: self._freezing.thaw,
            Effect.THAW_AGAIN: self._freezing.thaw_again,
            Effect.CLEAN_UP: self._start_clean_up,
            Effect.AUTO_REMOVE: self._auto_remove,
            Effect.BACK_OFF: self._back_off.begin,
            Effect.END_BACK_OFF: self._back_off.end,
            Effect.DELETE: self._start_delete,
            Effect.ADMIT: lambda message: self.visits.admit(message.visitor),
            Effect.CUT_OFF: lambda _: self.visits.cut_off(),
            Effect.HURRY: self._hurry,
            Effect.OPEN_SESSION: lambda _: self._open_session(),
            Effect.RESIZE: lambda message: self.host.resize(self._record, message.height, message.width),
            Effect.UPDATE: self._updates.begin,
            Effect.CHANGE_NETWORKS: self._memberships.begin,
            Effect.TELL_NAME: lambda _: self._memberships.renamed(),
            Effect.OBEY: self._updates.take_back,
            Effect.POSTPONE: lambda _: None,
        }

    def perform(self, effect: Effect, message: Any) -> object:
        """Do, or begin, what `effect` says on behalf of `message`; return the answer, if it has one."""
        failpoints = FAILPOINTS[effect]
        reached(failpoints.before)
        answer = self._performers[effect](message)
        reached(failpoints.after)
        return answer

    def close_sessions(self) -> None:
        """Tell whoever waits for the container's stdio that there will be none."""
        self._sessions.close()

    def remind(self) -> None:
        """Have the actor write again, in a while, what the disk would not take, whatever happens."""
        if not self._reminding:
            self._reminding = True
            self.tasks.start_soon(self._remind)

    async def _remind(self) -> None:
        await trio.sleep(WRITE_AGAIN_SECONDS)
        self._reminding = False
        await self.mailbox.tell(WriteAgain())

    @property
    def _record(self) -> ContainerRecord:
        return self.cell.current.record

    def _start_launch(self, _: object) -> None:
        self._launch = trio.CancelScope()
        self.tasks.start_soon(self._live, self._launch)

    async def _live(self, scope: trio.CancelScope) -> None:
        """See one run through, from nothing to its exit."""
        run: Run | None = None
        attachments = NOWHERE
        try:
            with scope:  # only this can be broken off: once there is a process, it is killed
                run, attachments = await self.host.create(self._record)
            if run is None:
                raise Conflict(f"container {self._record.id} was stopped before it had started")
            self._keep_log()  # before there can be any output
            await self.mailbox.ask(Initialized(run, attachments))
            await unless(partial(self.host.process_ended, run), partial(self.host.start, self._record, run))
            await self.mailbox.ask(Started(self.now_ns()))
        except EngineError as failure:
            error, exit_code = launch_failure(failure)
            await self._memberships.end(LaunchFailed(error, exit_code, run))
        else:
            await self._watch(run)

    def _resume_watch(self, _: object) -> None:
        run = self.cell.current.run
        assert run is not None  # who runs has a run: `ContainerSnapshot.stored` sees to it
        self._keep_log()
        self.tasks.start_soon(self._watch, run, self.now_ns(), self.host.monitored(run))

    def _keep_log(self) -> None:
        self._during_run(self.host.keep_log, self._record)

    async def _watch(self, run: Run, since_ns: int = 0, monitored: bool = True) -> None:
        """See a run to its end; `monitored` is whether its monitor was there at `since_ns`."""
        self._during_run(Probing(self.cell, self.mailbox, self.host, self.now_ns).run)
        ended = await seen_out(
            partial(self.host.process_ended, run), partial(self.host.wait, self._record, run), self._sessions
        )
        at_ns = self.now_ns()
        if ended is None:
            await self._memberships.end(Lost(at_ns, late=not monitored))
            return
        late = 0 < ended.at_ns < since_ns
        await self._memberships.end(Exited(ended, ended.at_ns if late else at_ns, late))

    def _give_up(self, _: object) -> None:
        ended = Failed("the engine ended while the container was being started")
        error, exit_code = launch_failure(ended)
        self.tasks.start_soon(self.mailbox.tell, LaunchFailed(error, exit_code, self.cell.current.run))

    def _signal(self, effect: Effect, message: Any) -> None:
        # Signals do not wait until a transition is shown: a process that is news is known from its message.
        run = message.run if isinstance(message, Initialized) else self.cell.current.run
        if run is not None:
            self.host.signal(run, signal_of(effect, message, self._record.config))

    def _arm_grace(self, message: Any) -> None:
        seconds = grace_seconds(message, self._record.config)
        if seconds > 0:  # without any, the signal was a kill already; below zero means for ever
            self._during_run(self._expire, seconds)

    def _shorten_grace(self, message: Any) -> None:
        seconds = grace_seconds(message, self._record.config)
        if seconds >= 0:
            self._during_run(self._expire, seconds)

    async def _expire(self, seconds: float) -> None:
        with stage("the grace of the stop", seconds):
            await trio.sleep(seconds)
        await self.mailbox.tell(GraceExpired())

    def _during_run(self, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
        self._of_run.begin(work, *arguments)

    def _start_clean_up(self, _: object) -> None:
        self._of_run.end()
        self.close_sessions()
        self.tasks.start_soon(self._clean_up)

    async def _clean_up(self) -> None:
        """Clear away what the run left; if that fails, the next start and the removal try again."""
        await self._memberships.at_rest()
        try:
            await self.host.clean_up(self._record, self.cell.current.run)
        except EngineError as error:
            LOG.error("run not cleaned up", container=self._record.id, reason=str(error))
        await self.mailbox.tell(CleanedUp())

    def _auto_remove(self, _: object) -> None:
        if self._record.host_config.auto_remove:
            self.tasks.start_soon(self._remove)

    async def _remove(self) -> None:
        try:
            await self.mailbox.ask(Remove())
        except EngineError as error:
            LOG.info("not removed by itself", container=self._record.id, reason=str(error))

    def _hurry(self, message: ForceRemove) -> None:
        if not self.visits:
            raise refusal(self.cell.current, message)
        self.visits.cut_off()

    def _start_delete(self, _: object) -> None:
        self.tasks.start_soon(self._delete)

    async def _delete(self) -> None:
        report: Event = Deleted()
        await self.visits.over()
        try:
            await self.host.delete(self._record)
        except EngineError as error:
            report = DeleteFailed(error)
        await self.mailbox.tell(report)

    def _open_session(self) -> AttachSession:
        session = self._sessions.open()
        if self.cell.current.running or self.cell.current.state is State.INITIALIZED:
            self._sessions.connect_waiting()
        return session
