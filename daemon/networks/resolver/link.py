"""A connection to a resolver: requests and their answers, in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import attrs
import trio

from daemon.errors import Failed
from daemon.networks.resolver.lines import Lines

ASK_SECONDS: Final = 5.0
_GONE: Final = (OSError, ValueError, trio.BrokenResourceError, trio.ClosedResourceError)


class Lost(Failed):
    """The resolver went away, or does not answer."""


async def connect(control: Path) -> Link:
    """Return a connection to the resolver that listens at `control`.

    Raises:
        Lost: none does.

    """
    try:
        return Link(Lines(await trio.open_unix_socket(control)))
    except OSError as error:
        raise Lost(f"the resolver cannot be reached: {error}") from error


@attrs.define(eq=False)
class Link:
    """A connection that is used by one task at a time, and closed when anything went wrong on it."""

    _lines: Lines
    closed: bool = False

    async def ask(self, do: str, **parts: Any) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            Lost: the resolver went away, or does not answer within `ASK_SECONDS`.
            Failed: it refused; the text says why.

        """
        answer = None
        try:
            with trio.fail_after(ASK_SECONDS):
                await self._lines.send({"do": do, **parts})
                answer = await self._lines.receive()
        except trio.TooSlowError:
            raise Lost(f"the resolver did not answer within {ASK_SECONDS:g} s") from None
        except _GONE as error:
            raise Lost(f"the resolver went away: {error}") from error
        finally:
            # Cancelled or broken in the middle, the next answer would be that to another request.
            if answer is None:
                self.close()
        if answer is None:
            raise Lost("the resolver went away")
        if "error" in answer:
            raise Failed(f"the resolver refused: {answer['error']}")
        return answer

    async def ended(self) -> None:
        """Wait until the resolver goes away; for a connection on which nothing is asked."""
        try:
            await self._lines.receive()
        except _GONE:
            return

    def close(self) -> None:
        """Close the connection, at once."""
        self.closed = True
        self._lines.close()
