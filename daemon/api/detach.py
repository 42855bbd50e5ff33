r"""The keys with which a user leaves a terminal and its container alone.

They are written `ctrl-p,ctrl-q`: single characters, or `ctrl-` and a letter or one of @[\]^_.  The
scanner holds back what may yet become the sequence and releases it as soon as it cannot, so no key
is lost or late for longer than needed.
"""

from __future__ import annotations

from typing import Final

import attrs

from daemon.errors import InvalidParameter

DEFAULT_KEYS: Final = "ctrl-p,ctrl-q"
_CONTROLS: Final = "@abcdefghijklmnopqrstuvwxyz[\\]^_"
"""In the order of their codes, which start at 0."""


def parse_keys(text: str) -> bytes:
    """Return the sequence that `text` describes; the default one if it is empty.

    Raises:
        InvalidParameter: it describes none.

    """
    try:
        return bytes(_code(key) for key in (text or DEFAULT_KEYS).split(","))
    except ValueError:
        raise InvalidParameter(f"Invalid detach keys ({text}) provided") from None


def _code(key: str) -> int:
    prefix, control = key[:5], key[5:]
    if prefix == "ctrl-" and len(control) == 1:
        return _CONTROLS.index(control)
    return key.encode("ascii")[0] if len(key) == 1 else _refuse(key)


def _refuse(key: str) -> int:
    raise ValueError(f"no such key: {key!r}")


@attrs.define
class DetachScanner:
    """Looks for the sequence in what a user types."""

    _keys: bytes
    _held: bytes = attrs.field(default=b"", init=False)

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """Return what of the input is for the container by now, and whether the sequence is complete."""
        pending = self._held + typed
        before, found, _ = pending.partition(self._keys)
        if found:
            return before, True
        kept = next(n for n in range(len(self._keys) - 1, -1, -1) if pending.endswith(self._keys[:n]))
        self._held = self._keys[:kept]
        return pending[: len(pending) - kept], False
