"""From settings to a running engine, and back: the nesting here is the order of both.

Actors are up before the first client is let in and stay until the last one is gone.  Stopping never
touches a container, unless `live-restore` is off: its monitor keeps it, and the next start finds it again.
"""

from __future__ import annotations

import contextlib
import grp
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final
from urllib.parse import urlsplit

import structlog
import trio

from daemon import collecting
from daemon.actors.configuration.actor import LiveConfiguration
from daemon.actors.engine import Engine, running_engine
from daemon.actors.stopping import stop_unless_live_restore
from daemon.api.app import make_app
from daemon.api.docker.table import DOCKER
from daemon.api.listeners import inherited_listener, tcp_listener, tls_listener, unix_listener
from daemon.api.server import AnyListener, Server
from daemon.configuration import Source
from daemon.errors import EngineError
from daemon.notify import Notifier
from daemon.priority import go_first
from daemon.runtimes.discovery import find_conmon
from daemon.settings import Settings
from daemon.startup import CannotStart, explained

LOG = structlog.get_logger(__name__)
SOCKET_MODE: Final = 0o660
UMASK: Final = 0o022  # a stricter one would show in containers, a looser one in our files
FIRST_INHERITED_FD: Final = 3  # sd_listen_fds(3)
TCP_PORT: Final = 2375
CLIENTS_GRACE_SECONDS: Final = 3.0
# How long a thread may keep the interpreter while another wants it.  The journal's writer gives it
# up at every statement; at Python's 5 ms it waits that long, each time, for a loop that streams.
SWITCH_SECONDS: Final = 0.0005


async def run(source: Source, settings: Settings) -> None:
    """Run the engine until SIGTERM or SIGINT; on SIGHUP, reload its configuration.

    Args:
        source: where the configuration comes from, again at each reload.
        settings: what was read there for this start.

    Raises:
        CannotStart: something that it needs is missing or in use.

    """
    sys.setswitchinterval(SWITCH_SECONDS)
    go_first()
    _allow_many_files()
    os.umask(UMASK)
    find_conmon()
    notifier = Notifier.from_environment(os.environ)
    # From the very beginning, because a hangup that nobody receives ends the process.
    signal.signal(signal.SIGHUP, _too_late)
    with trio.open_signal_receiver(signal.SIGHUP) as hangups:
        async with running_engine(source, settings, notifier) as engine:
            await _serve(engine, hangups, notifier)
            await stop_unless_live_restore(engine)  # what the last clients have started
    LOG.info("stopped")


async def _serve(engine: Engine, hangups: AsyncIterator[int], notifier: Notifier) -> None:
    """Let clients in until a signal tells us to stop."""
    server = Server(make_app(engine, DOCKER))
    settings = engine.configuration.settings
    with ExitStack() as sockets:
        listeners = [_listen(url, settings, sockets) for url in settings.listen_urls]
        async with trio.open_nursery() as front:
            await front.start(server.serve, listeners)
            front.start_soon(_reload_at, hangups, engine.live)
            collecting.begin()
            _say_ready(engine)
            notifier.ready()
            await _told_to_stop()
            notifier.stopping()
            await stop_unless_live_restore(engine)  # while clients can see how theirs end
            server.grace_seconds = grace_seconds(engine.configuration.settings)
            front.cancel_scope.cancel()


def _say_ready(engine: Engine) -> None:
    configuration = engine.configuration
    LOG.info(
        "listening",
        hosts=configuration.settings.listen_urls,
        default_runtime=configuration.runtimes.default,
        generation=configuration.generation,
    )
    for warning in configuration.warnings:
        LOG.warning("configuration", warning=warning)


def grace_seconds(settings: Settings) -> float:
    """Return what clients are given to finish when the engine stops: never more than it may take."""
    return min(CLIENTS_GRACE_SECONDS, settings.shutdown_timeout_seconds)


def _allow_many_files() -> None:
    """Take all the descriptors we may have: each running container needs two of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _told_to_stop() -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
        async for number in received:
            LOG.info("stopping", signal=signal.Signals(number).name)
            return


def _too_late(_: int, __: FrameType | None) -> None:
    """Do nothing at a hangup that came while we stopped: trio raises it again when it stops receiving.

    A handler, because the programs that we start would inherit SIG_IGN.
    """


async def _reload_at(hangups: AsyncIterator[int], live: LiveConfiguration) -> None:
    async for _ in hangups:
        with contextlib.suppress(EngineError):  # the actor has logged it, and keeps it for who asks
            await live.reload()


def _listen(url: str, settings: Settings, sockets: ExitStack) -> AnyListener:
    """Open one of the configured listeners.

    Raises:
        CannotStart: the address is in use, or no address of ours.

    """
    parts = urlsplit(url)
    with explained(url):
        if parts.scheme == "unix":
            path = Path(parts.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            return sockets.enter_context(unix_listener(path, SOCKET_MODE, _docker_group()))
        if parts.scheme == "fd":
            return _inherited(FIRST_INHERITED_FD)
        if parts.scheme == "tcp":
            listener = tcp_listener(parts.hostname or "127.0.0.1", parts.port or TCP_PORT)
            return _secured(listener, settings)
    raise CannotStart(f"{url}: expected unix://PATH, tcp://HOST:PORT or fd://")


def _inherited(fd: int) -> trio.SocketListener:
    """Listen at the socket that systemd has opened.

    Raises:
        CannotStart: it has opened none.

    """
    try:
        return inherited_listener(fd)
    except (OSError, ValueError) as error:
        raise CannotStart(
            f"fd://: descriptor {fd} is no listening socket: start the engine by its socket unit "
            "(longshore.socket), or listen at unix://PATH"
        ) from error


def _secured(listener: trio.SocketListener, settings: Settings) -> AnyListener:
    if not (settings.tls or settings.tls_verify):
        LOG.warning(
            "anyone who reaches this address is root on this host", address=listener.socket.getsockname()
        )
        return listener
    if settings.tls_cert is None or settings.tls_key is None:
        raise CannotStart("TLS needs tlscert and tlskey")
    client_ca = settings.tls_ca_cert if settings.tls_verify else None
    return tls_listener(listener, settings.tls_cert, settings.tls_key, client_ca)


def _docker_group() -> int:
    """Return the group that may use the socket, Docker's if there is one, else root's own."""
    try:
        return grp.getgrnam("docker").gr_gid
    except KeyError:
        return -1
