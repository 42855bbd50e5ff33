"""Names inside archives: which of them may be used at all, and what they are made of.

A name that climbs (`..`) is refused rather than clipped: no honest tool writes one, and a name that means
different places to different readers is how attacks begin.
"""

from __future__ import annotations

from daemon.archives.errors import BadArchive


def relative(name: bytes) -> bytes:
    """Return `name` without slashes at either end or in a row; empty for the root itself.

    Raises:
        BadArchive: it climbs, or could not be a file's name.

    """
    parts = [part for part in name.split(b"/") if part and part != b"."]
    if b".." in parts or b"\0" in name:
        raise BadArchive(f"invalid name {quoted(name)}: it leads outside the archive")
    return b"/".join(parts)


def quoted(name: bytes) -> str:
    """Return `name` as an error tells it: in quotes, and only what every terminal can show."""
    return ascii(name)[1:]
