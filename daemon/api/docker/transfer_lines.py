"""How the progress of a pull or a push looks to Docker's clients: lines of JSON, each flushed by itself.

Source: api-contract section 3.16; `moby:pkg/jsonmessage` for the bar that older engines draw into `progress`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

import orjson

from daemon.api.versions import ApiVersion
from daemon.errors import EngineError
from daemon.images.progress import Message, State, Watch

BAR_BEFORE: Final = (1, 48)  # from then on clients draw it themselves
BAR_CHARACTERS: Final = 50
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


async def lines(first: Message | None, watch: Watch, version: ApiVersion) -> AsyncGenerator[bytes, None]:
    """Yield a line for `first` and for all that `watch` shows after it; an error is the last of them."""
    message = first
    try:
        while message is not None:
            yield line(document(message, version))
            message = await watch.next()
    except EngineError as error:
        yield line(failure(error))


def line(content: dict[str, Any]) -> bytes:
    """Return one line."""
    return orjson.dumps(content) + b"\r\n"


def failure(error: EngineError) -> dict[str, Any]:
    """Return what ends a stream that has begun before it failed."""
    text = str(error).encode(errors="replace").decode()
    return {"errorDetail": {"message": text}, "error": text}


def document(message: Message, version: ApiVersion) -> dict[str, Any]:
    """Return what a client reads of one message."""
    if message.aux is not None:
        return {"progressDetail": {}, "aux": message.aux}
    state = message.state
    about = {"id": message.id} if message.id else {}
    if message.remark:
        return {"status": state.status, **about}
    if not (state.current or state.total):
        return {"status": state.status, "progressDetail": {}, **about}
    detail = {"current": state.current} | ({"total": state.total} if state.total else {})
    drawn = {"progress": bar(state)} if version < BAR_BEFORE else {}
    return {"status": state.status, "progressDetail": detail, **drawn, **about}


def bar(state: State) -> str:
    """Return `[==>   ]  1.2MB/50MB`, or the size alone where there is no total to compare with."""
    current = human(state.current)
    if state.total <= 0 or state.current > state.total:
        return f"{current:>8}"
    done = state.current * BAR_CHARACTERS // state.total
    return f"[{'=' * done}>{' ' * (BAR_CHARACTERS - done)}] {current:>8}/{human(state.total)}"


def human(size_bytes: int) -> str:
    """Return a size with four digits and a decimal unit."""
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.4g}{_UNITS[unit]}"
