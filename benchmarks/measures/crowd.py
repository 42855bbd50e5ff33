"""An engine that has a lot to keep in order while it reloads: 200 running containers, 20 runtimes.

Half of the runtimes are crun, half runc, and each has arguments, so each is a script that the engine has
to write.  The containers run on the default runtime, because dockerd removes the scripts of before at a
reload, and could then not stop what was started with them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import attrs

from benchmarks.client import Stream
from benchmarks.docker_api import Session
from benchmarks.engine import ApiEngine
from benchmarks.measure import SLEEP, discard, timed

CONTAINERS: Final = 200
RUNTIMES: Final = 20
BINARIES: Final = ("crun", "runc")
PAUSE_SECONDS: Final = 0.1
SETTLE_SECONDS: Final = 0.2


@attrs.frozen
class Content:
    """What the configurations of one engine differ in.

    Attributes:
        edition: stands in the arguments of all runtimes, so that each edition needs scripts of its own.
        debug: the log level; the one way to spell it that all engines can reload.
    """

    edition: int = 0
    debug: bool = False


Edit = Callable[[Content], Content]


def nothing(content: Content) -> Content:
    """Leave everything as it is."""
    return content


def all_arguments(content: Content) -> Content:
    """Give every runtime arguments it never had."""
    return attrs.evolve(content, edition=content.edition + 1)


def log_level(content: Content) -> Content:
    """Change the log level to and fro."""
    return attrs.evolve(content, debug=not content.debug)


@attrs.define(eq=False)
class Crowd:
    """The engine, a client of it, and one of the running containers.

    Attributes:
        events: the reloads that are over, as they come.
        began_with: the configuration file without what is changed here.
    """

    engine: ApiEngine
    session: Session
    container: str
    events: Stream
    began_with: Mapping[str, Any]
    _content: Content = Content()

    def edit(self, edit: Edit) -> None:
        """Write the next configuration."""
        self._content = edit(self._content)
        self.engine.configure(document(self.began_with, self._content))

    def reload_by_signal(self, edit: Edit) -> float:
        """Return how long it takes from the signal to the event, in milliseconds."""
        self.edit(edit)
        while self.events.poll():
            pass  # of reloads by call
        return timed(self._signal_and_event)

    def reload_by_call(self, edit: Edit) -> float:
        """Return how long the call takes, in milliseconds."""
        self.edit(edit)
        return timed(self.session.reload)

    def _signal_and_event(self) -> None:
        self.engine.hang_up()
        if not self.events.read():
            raise RuntimeError(f"{self.engine.name} ended the stream of events")

    @contextmanager
    def reloading(self) -> Generator[None, None, None]:
        """Reload with new arguments over and over while the block runs."""
        over, errors = threading.Event(), list[Exception]()

        def reload() -> None:
            try:
                while not over.wait(PAUSE_SECONDS):
                    self.reload_by_signal(all_arguments)
            except Exception as error:  # for who waits for this thread
                errors.append(error)

        thread = threading.Thread(target=reload)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if errors:
            raise errors[0]


@contextmanager
def crowd(engine: ApiEngine) -> Generator[Crowd, None, None]:
    """Lend a crowd; afterwards the engine has the configuration of before, and no container of it."""
    began_with = engine.configuration()
    with ExitStack() as stack:
        session = stack.enter_context(engine.session())
        for _ in range(CONTAINERS):
            container = session.create(SLEEP)
            stack.callback(discard, session, container)
            session.start(container)
        events = stack.enter_context(session.events("reload"))
        time.sleep(SETTLE_SECONDS)  # subscribed means: the engine has got as far as waiting
        found = Crowd(engine, session, container, events, began_with)
        found.reload_by_signal(all_arguments)  # the first one also asks the runtimes what they can do
        try:
            yield found
        finally:
            engine.configure(began_with)
            engine.hang_up()


def document(began_with: Mapping[str, Any], content: Content) -> dict[str, Any]:
    """Return a whole configuration file."""
    runtimes = {f"bench-{number}": _runtime(number, content.edition) for number in range(RUNTIMES)}
    return {
        **began_with,
        "debug": content.debug,
        "runtimes": {**began_with.get("runtimes", {}), **runtimes},
    }


def _runtime(number: int, edition: int) -> dict[str, Any]:
    arguments = ["--log", f"/tmp/lsbench-{number}-{edition}.log"]  # never run, so never written
    return {"path": BINARIES[number % len(BINARIES)], "runtimeArgs": arguments}
