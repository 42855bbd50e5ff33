"""Paths as clients name them in containers, with Docker's rules for what they mean.

The last component of a path is what is meant, even if it is a symbolic link; with a slash or `/.` after it,
what the link leads to.  `..` is taken away before any link is followed, as Go's path functions do.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Final

LINKS_LIMIT: Final = 255  # as many as Docker follows for one path

ReadLink = Callable[[str], str | None]
"""Returns what the link at a path, whose directory has no links in it, says; None for what is no link."""


class TooManyLinks(Exception):
    """Links lead to links without an end."""


def absolute(path: str) -> str:
    """Return `path` from the root and in short, but with a slash or `/.` at its end if it has that."""
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    if path == "." or path.endswith("/."):
        return cleaned.rstrip("/") + "/."
    if path.endswith("/") and cleaned != "/":
        return cleaned + "/"
    return cleaned


def is_followed(path: str) -> bool:
    """Return whether the last component of an `absolute` path is to be followed, if it is a link."""
    return path.endswith(("/", "/."))


def name(path: str) -> str:
    """Return what a tar calls that which is at an `absolute` path."""
    return path.rstrip("/").rpartition("/")[2] or "/"


def resolved(path: str, read_link: ReadLink) -> str:
    """Return an `absolute` path without links, but for its last component unless that `is_followed`.

    Raises:
        TooManyLinks: it never ends.

    """
    if is_followed(path):
        return followed(path, read_link)
    parent, _, last = path.rpartition("/")
    return f"{followed(parent, read_link).rstrip('/')}/{last}"


def followed(path: str, read_link: ReadLink) -> str:
    """Return where `path` leads, with all links followed below the root; it need not be there.

    Raises:
        TooManyLinks: it never ends.

    """
    found: list[str] = []
    waiting = _parts(path)
    links = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            del found[-1:]
            continue
        target = read_link("/" + "/".join([*found, part]))
        if target is None:
            found.append(part)
            continue
        links += 1
        if links > LINKS_LIMIT:
            raise TooManyLinks
        if target.startswith("/"):
            found.clear()
        waiting += _parts(target)
    return "/" + "/".join(found)


def _parts(path: str) -> list[str]:
    """Return the components of a path, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]
