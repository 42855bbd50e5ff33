"""References to images as people type them, and the one canonical form the engine keeps.

`busybox`, `library/busybox`, `docker.io/busybox:latest` and `index.docker.io/library/busybox` are one
image.  The canonical form spells everything out (`docker.io/library/busybox:latest`), the familiar form
leaves out all that goes without saying.

Source: the reference grammar of the distribution project, in this module's own words.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from daemon.errors import InvalidParameter
from daemon.images import digests

DEFAULT_DOMAIN: Final = "docker.io"
DEFAULT_TAG: Final = "latest"
NAME_LIMIT_CHARACTERS: Final = 255
_LEGACY_DOMAIN: Final = "index.docker.io"
_OFFICIAL: Final = "library/"
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL: Final = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_DOMAIN: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HEX_ID: Final = re.compile(r"[0-9a-f]{64}")


@attrs.frozen
class Reference:
    """An image by name; `tag` and `digest` are empty where none was given."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """The canonical name without tag and digest."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_repository(self) -> str:
        """The name as people type it."""
        if self.domain != DEFAULT_DOMAIN:
            return self.repository
        short = self.path.removeprefix(_OFFICIAL)
        return self.path if "/" in short else short

    @property
    def canonical(self) -> str:
        """The whole reference, spelled out."""
        return self.repository + self._suffix

    @property
    def familiar(self) -> str:
        """The whole reference as people type it."""
        return self.familiar_repository + self._suffix

    @property
    def tagged(self) -> Reference:
        """This reference with the default tag where it has neither tag nor digest."""
        return self if self.tag or self.digest else attrs.evolve(self, tag=DEFAULT_TAG)

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Read a reference.

    Raises:
        InvalidParameter: it is not one, or it could be mistaken for an image id.

    """
    if _HEX_ID.fullmatch(text):
        raise InvalidParameter(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    name, _, digest = text.partition("@")
    name, tag = _split_tag(name)
    domain, path = _split_domain(name)
    well_formed = (
        _PATH.fullmatch(path)
        and _DOMAIN.fullmatch(domain)
        and (_TAG.fullmatch(tag) or not tag)
        and (digests.is_digest(digest) or "@" not in text)
        and (tag or not text.partition("@")[0].endswith(":"))
    )
    if not well_formed:
        raise InvalidParameter(_complaint(path, text))
    if len(domain) + len(path) >= NAME_LIMIT_CHARACTERS:
        raise InvalidParameter(f"repository name must not be more than {NAME_LIMIT_CHARACTERS} characters")
    return Reference(domain, path, tag, digest)


def for_tagging(repository: str, tag: str) -> Reference:
    """Read the two parts of a new name for an image.

    Raises:
        InvalidParameter: they do not make a name that could be given.

    """
    reference = parse(repository)
    if reference.digest:
        raise InvalidParameter("refusing to create a tag with a digest reference")
    if tag:
        if not _TAG.fullmatch(tag):
            raise InvalidParameter("invalid tag format")
        reference = attrs.evolve(reference, tag=tag)
    if reference.familiar_repository == "sha256":
        raise InvalidParameter("refusing to create an ambiguous tag using digest algorithm as name")
    return reference.tagged


def is_domain(text: str) -> bool:
    """Tell whether `text` could be the host[:port] of a registry."""
    return _DOMAIN.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Tell whether `text` could be a tag."""
    return _TAG.fullmatch(text) is not None


def _split_tag(name: str) -> tuple[str, str]:
    head, colon, tail = name.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (name, "")


def _split_domain(name: str) -> tuple[str, str]:
    """A first component is a host only if it looks like one, or nothing could be told from a user's name."""
    first, slash, rest = name.partition("/")
    if not slash or not (set(first) & set(".:") or first == "localhost" or first.lower() != first):
        domain, path = DEFAULT_DOMAIN, name
    else:
        domain, path = (DEFAULT_DOMAIN if first == _LEGACY_DOMAIN else first), rest
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = _OFFICIAL + path
    return domain, path


def _complaint(path: str, text: str) -> str:
    if path.lower() != path and _PATH.fullmatch(path.lower()):
        return f"invalid reference format: repository name ({path}) must be lowercase"
    return (
        f"invalid reference format: {text!r}"
        if len(text) < NAME_LIMIT_CHARACTERS
        else "invalid reference format"
    )
