"""The size of a terminal, as a resize of a container or of an exec session asks for it."""

from __future__ import annotations

from typing import Final

from daemon.api.query import parse_integer, text
from daemon.errors import InvalidParameter

LARGEST_SIZE: Final = 2**16 - 1  # struct winsize of ioctl_tty(2)


def asked_size() -> tuple[int, int]:
    """Return height and width, in characters, from the query.

    Raises:
        InvalidParameter: one of them is missing, no number, or more than a terminal can have.

    """
    return _side("h", "height"), _side("w", "width")


def _side(parameter: str, name: str) -> int:
    size = parse_integer(parameter, text(parameter))
    if not 0 <= size <= LARGEST_SIZE:
        raise InvalidParameter(f'invalid resize {name} "{size}": it must be from 0 to {LARGEST_SIZE}')
    return size
