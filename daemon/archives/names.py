"""Names inside archives: which of them may be used at all, and what they are made of.

A name that climbs (`..`) is refused rather than clipped: no honest tool writes one, and a name that means
different places to different readers is how attacks begin.
"""

from __future__ import annotations

from daemon.archives.errors import BadArchive


def relative(name: str) -> bytes:
    """Return `name` as bytes without a leading slash; empty for the root itself.

    Raises:
        BadArchive: it climbs, or could not be a file's name.

    """
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadArchive(f"invalid name {name!a}") from None
    parts = [part for part in raw.split(b"/") if part not in {b"", b"."}]
    if b".." in parts or b"\0" in raw:
        raise BadArchive(f"invalid name {name!a}: it leads outside the archive")
    return b"/".join(parts)
