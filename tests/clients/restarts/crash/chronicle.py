"""What was asked and answered at one place, for whoever has nothing but the report of a run that failed."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from tests.clients.http_api import Answer, Api

LINES: Final = 5000
SHOWN_CHARACTERS: Final = 300  # of a body


@attrs.frozen
class Chronicle:
    """The latest lines; several threads add to them."""

    lines: deque[str] = attrs.field(factory=lambda: deque(maxlen=LINES))

    def note(self, text: str) -> None:
        """Add a line."""
        self.lines.append(f"{clock(time.time())} {text}")

    def about(self, words: set[str]) -> list[str]:
        """Return the lines in which one of `words` is."""
        return [line for line in [*self.lines] if mentions(line, words)]

    def last(self, number: int) -> list[str]:
        """Return the last lines."""
        return [*self.lines][-number:]


@attrs.frozen
class NotedApi(Api):
    """The API, every call of which is in the chronicle with its answer."""

    chronicle: Chronicle = attrs.field(factory=Chronicle)

    def __call__(self, method: str, path: str, /, body: Any = None, **query: Any) -> Answer:
        """Make one call."""
        began = clock(time.time())
        asked = f"(asked {began}) {method} {path}?{urlencode(query)} {_shown(body)}"
        try:
            answer = super().__call__(method, path, body, **query)
        except (OSError, http.client.HTTPException) as error:
            self.chronicle.note(f"{asked} -> no answer: {error!r}")
            raise
        self.chronicle.note(f"{asked} -> {answer.status} {answer.body[:SHOWN_CHARACTERS]!r}")
        return answer


def clock(seconds: float) -> str:
    """Return a time in UTC as the engine's log has it, to milliseconds."""
    return f"{time.strftime('%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1000):03}"


def mentions(text: str, words: set[str]) -> bool:
    """Tell whether one of `words` is in a text, as a word: "1-2" is not in "11-2"."""
    return any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) for word in words)


def _shown(body: Any) -> str:
    if isinstance(body, Mapping):  # of what a container runs all is known
        return json.dumps({name: value for name, value in body.items() if name != "Cmd"})[:SHOWN_CHARACTERS]
    return f"{len(body)} bytes" if isinstance(body, bytes) else ""
