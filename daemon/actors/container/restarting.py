"""When a container that has ended is started again by itself, and after how long: pure decisions.

The state table knows what follows when it is (`Relapsed`) and when it is not (`Exited`, `Lost`); which of
the two an end is, is said here, because that depends on the container's configuration and past.

Source: Docker's restart policies (api-contract section 3.12).  `on-failure` counts the restarts since the
container was last started by somebody; whoever stops a container by hand means it, whatever the policy says,
until the engine starts again: then `always` is taken at its word.
"""

from __future__ import annotations

from signal import SIGTERM
from typing import Any, Final

from daemon.actors.container.commands import Kill, Signal
from daemon.actors.container.reports import Exited, Lost, Relapsed
from daemon.actors.container.signals import stop_signal
from daemon.actors.container.snapshot import ContainerSnapshot
from daemon.actors.container.states import BETWEEN_RUNS, State
from daemon.actors.mailbox import Command, Event
from daemon.model import Config, RestartPolicy

EXIT_UNKNOWN: Final = 255  # what dockerd reports for an exit that nobody saw
NANOSECONDS: Final = 1_000_000_000
FIRST_BACKOFF_NS: Final = NANOSECONDS // 10
LONGEST_BACKOFF_NS: Final = 60 * NANOSECONDS
STABLE_NS: Final = 10 * NANOSECONDS  # who has run so long was no part of a crash loop


def as_told(now: ContainerSnapshot, message: Command[Any] | Event) -> Command[Any] | Event:
    """Return what a message means to this container.

    For one that is to be started again, its end is a relapse.  A signal that would end the process keeps it
    from being started, where there is no process.
    """
    if isinstance(message, Signal) and now.state in BETWEEN_RUNS:
        return Kill() if asks_to_end(message, now.record.config) else message
    if not isinstance(message, Exited | Lost) or now.state is State.STOPPING:
        return message
    code = message.exit.code if isinstance(message, Exited) else EXIT_UNKNOWN
    again = restarts(
        now.record.host_config.restart_policy,
        exit_code=code,
        restart_count=now.restart_count,
        stopped_by_hand=now.stopped_by_hand,
    )
    return Relapsed(message) if again else message


def asks_to_end(message: Signal, config: Config) -> bool:
    """Tell whether a signal is meant like a stop; dockerd takes any signal for one."""
    return message.signal in {SIGTERM, stop_signal(config)}


def restarts(policy: RestartPolicy, *, exit_code: int, restart_count: int, stopped_by_hand: bool) -> bool:
    """Tell whether a container that has just ended is started again."""
    if stopped_by_hand:
        return False
    if policy.name == "on-failure":
        limit = policy.maximum_retry_count
        return exit_code != 0 and (limit == 0 or restart_count < limit)
    return policy.name in {"always", "unless-stopped"}


def at_engine_start(found: ContainerSnapshot) -> ContainerSnapshot:
    """Return a container as an engine that starts takes it up.

    `always` means even one that was stopped by hand; that is what tells it from `unless-stopped`.  So the
    stop is forgotten, whether or not the process had ended when the last engine did.
    """
    by_hand = found.stopped_by_hand and found.record.host_config.restart_policy.name != "always"
    return found.replace(stopped_by_hand=by_hand)


def revives(now: ContainerSnapshot) -> bool:
    """Tell whether a container is started when the engine starts, given how it was then found."""
    return now.state is State.EXITED and restarts(
        now.record.host_config.restart_policy,
        exit_code=now.exit_code,
        restart_count=now.restart_count,
        stopped_by_hand=now.stopped_by_hand,
    )


def next_backoff_ns(last_ns: int, lasted_ns: int) -> int:
    """Return how long to wait before the next start, after a run that `lasted_ns` and a wait of `last_ns`."""
    if last_ns == 0 or lasted_ns >= STABLE_NS:
        return FIRST_BACKOFF_NS
    return min(2 * last_ns, LONGEST_BACKOFF_NS)
