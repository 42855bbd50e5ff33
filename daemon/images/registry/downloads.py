"""A blob's bytes, which go on where a broken connection left off.

Whether a registry can start in the middle shows in its answer: 206 with the right `Content-Range`, or 200
with everything, of which what is known already is passed over. The same digest is the same content, so a
second answer may come from anywhere.

Source: RFC 9110, 14 (Range, Content-Range); OCI distribution specification, "Pulling blobs".
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

import attrs

from daemon.images.registry.errors import RegistryError, RegistryFailed, WrongContent
from daemon.images.registry.exchange import Answer, Unreachable, described
from daemon.images.registry.repository import Notice
from daemon.images.registry.retrying import delay_after, pause

WHOLE: Final = 200
PART: Final = 206
BEYOND: Final = 416
EXPECTED: Final = (WHOLE, PART, BEYOND)
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)")

OpenAt = Callable[[int, Callable[[Answer], None]], Awaitable[None]]
"""Asks for a blob from an offset on and hands the answer over, to whom it may be no good (RegistryError)."""


@attrs.frozen
class Extent:
    """What part of a blob an answer holds: from `start` on; `size_bytes` of the whole, None if unknown."""

    start: int
    size_bytes: int | None


def extent_of(answer: Answer) -> Extent:
    """Return which part an answer holds.

    Raises:
        RegistryFailed: it does not say.

    """
    if answer.status == WHOLE:
        length = answer.headers.get("Content-Length", "")
        return Extent(0, int(length) if length.isdigit() else None)
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    if found is None or (answer.status == PART and found[1] is None):
        raise RegistryFailed(f"{described(answer.request)}: does not say which part of the blob it sends")
    size = None if found[3] == "*" else int(found[3])
    return Extent(int(found[1]) if answer.status == PART else size or 0, size)


@attrs.define(eq=False)
class Download:
    """The rest of a blob from `position` on; `open_at` asks for it anew, once, wherever it can be had.

    Attempts that fail count only as long as no byte comes.
    """

    open_at: OpenAt
    attempts: int
    notice: Notice | None
    position: int
    size_bytes: int | None = attrs.field(default=None, init=False)
    _answer: Answer | None = attrs.field(default=None, init=False)
    _skip: int = attrs.field(default=0, init=False)
    _failures: int = attrs.field(default=0, init=False)

    async def open(self) -> None:
        """Have the first answer.

        Raises:
            RegistryError: the blob cannot be had.

        """
        while self._answer is None:
            try:
                await self._reopen()
            except RegistryError as error:
                await self._recover(error)

    def __aiter__(self) -> Download:
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk.

        Raises:
            RegistryError: the rest of the blob cannot be had.

        """
        while True:
            try:
                chunk = await self._receive()
            except RegistryError as error:
                await self._recover(error)
                continue
            if not chunk:
                raise StopAsyncIteration
            if chunk := self._unskipped(chunk):
                self._failures = 0
                self.position += len(chunk)
                return chunk

    async def aclose(self) -> None:
        """Give the connection back."""
        if self._answer is not None:
            await self._answer.aclose()

    async def _receive(self) -> bytes:
        if self._answer is None:
            await self._reopen()
        assert self._answer is not None
        if self._answer.status == BEYOND:
            return b""
        chunk = await self._answer.receive()
        if not chunk and self.size_bytes is not None and self.position < self.size_bytes:
            raise Unreachable(f"{described(self._answer.request)}: unexpected EOF")
        return chunk

    async def _reopen(self) -> None:
        await self.open_at(self.position, self._take)

    def _take(self, answer: Answer) -> None:
        extent = extent_of(answer)
        if self.size_bytes is not None and extent.size_bytes not in {None, self.size_bytes}:
            raise WrongContent(f"{described(answer.request)}: the blob has changed its size")
        if extent.start > self.position or (answer.status == BEYOND and extent.start != self.position):
            raise RegistryFailed(
                f"{described(answer.request)}: sends another part of the blob than asked for"
            )
        self._answer, self._skip = answer, self.position - extent.start
        self.size_bytes = self.size_bytes if extent.size_bytes is None else extent.size_bytes

    def _unskipped(self, chunk: bytes) -> bytes:
        skipped = min(self._skip, len(chunk))
        self._skip -= skipped
        return chunk[skipped:] if skipped else chunk

    async def _recover(self, error: RegistryError) -> None:
        """Wait before another attempt, or raise the error if that is of no use."""
        if self._answer is not None:
            await self._answer.aclose()
            self._answer = None
        self._failures += 1
        if self._failures >= self.attempts:
            raise error
        await pause(delay_after(error, self._failures), error, self.notice)
