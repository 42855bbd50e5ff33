"""What a pull, a push or a load says of itself while it runs, and how that reaches clients that read slowly.

Whoever moves images tells a `Tell` and goes on at once.  A client reads from a `Watch`, which keeps at most
one message for each thing (a layer) and each state of it: what nobody has read yet is replaced by what came
later.  So a client that stalls misses numbers, never a state, and costs a few hundred bytes for each layer.

Source: `moby:pkg/streamformatter`, `pkg/progress` for the words; they are matched verbatim by compose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import trio

PREPARING: Final = "Preparing"
PULLING_LAYER: Final = "Pulling fs layer"
WAITING: Final = "Waiting"
DOWNLOADING: Final = "Downloading"
VERIFYING: Final = "Verifying Checksum"
DOWNLOADED: Final = "Download complete"
EXTRACTING: Final = "Extracting"
PULLED: Final = "Pull complete"
ALREADY_EXISTS: Final = "Already exists"
PUSHING: Final = "Pushing"
PUSHED: Final = "Pushed"
ALREADY_PUSHED: Final = "Layer already exists"
LOADING: Final = "Loading layer"


@attrs.frozen
class State:
    """How far one thing is; `total` is 0 where there is nothing to count, or the total is not known."""

    status: str
    current: int = 0
    total: int = 0


@attrs.frozen
class Message:
    """One line for clients: the state of the thing `id`, or of the whole where that is empty.

    `remark`: it is no state that another one will take the place of.
    """

    state: State
    id: str = ""
    aux: Mapping[str, Any] | None = None
    remark: bool = False


Tell = Callable[[Message], None]
TellState = Callable[[State], None]


def to_nobody(_: Message) -> None:
    """Tell nobody."""


def say(tell: Tell, status: str, about: str = "") -> None:
    """Make a remark."""
    tell(Message(State(status), about, remark=True))


def of(tell: Tell, about: str) -> TellState:
    """Return what tells the states of one thing."""
    return lambda state: tell(Message(state, about))


@attrs.define(eq=False)
class Watch:
    """One client's view of a job, made by the client; `with` it, the job learns when the client has left.

    Attributes:
        left: whether the client is gone.
        on_leaving: called once when it goes.

    """

    left: bool = attrs.field(default=False, init=False)
    on_leaving: Callable[[], None] | None = attrs.field(default=None, init=False)
    _pending: dict[tuple[str, str], Message] = attrs.field(factory=dict, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _ended: bool = attrs.field(default=False, init=False)
    _error: Exception | None = attrs.field(default=None, init=False)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.left = True
        if self.on_leaving is not None:
            self.on_leaving()
            self.on_leaving = None

    def tell(self, message: Message) -> None:
        """Show `message` to the client as soon as it reads."""
        key = (message.id, message.state.status)
        self._pending.pop(key, None)  # what comes later is shown later
        self._pending[key] = message
        self._changed.set()

    def end(self, error: Exception | None = None) -> None:
        """Let the client read what there is, and then the end or `error`."""
        if not self._ended:
            self._ended, self._error = True, error
            self._changed.set()

    async def next(self) -> Message | None:
        """Return the next message; None when the job is done.

        Raises:
            EngineError: the job has failed, after everything it said before.

        """
        while not self._pending:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._changed = trio.Event()
            await self._changed.wait()
        return self._pending.pop(next(iter(self._pending)))
