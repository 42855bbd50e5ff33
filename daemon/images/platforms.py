"""Platforms: what an image is made for, and which of several images suits a machine best.

Written `os[/architecture[/variant]]`.  The same machine goes by several names (`aarch64` is `arm64`, and
`arm64` alone means `arm64/v8`), so a platform is brought into one form before anything is compared.
A 32-bit ARM runs what was made for older ones, and an amd64/v3 what was made for amd64.

Source: OCI image specification, image-index.md, "platform"; `containerd/platforms` for the other names.
"""

from __future__ import annotations

import platform as machine
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import attrs

from daemon.errors import InvalidParameter, NotFound

T = TypeVar("T")
# What alone is a system, not an architecture: those that images are made for.
_SYSTEMS: Final = frozenset({"darwin", "freebsd", "linux", "netbsd", "openbsd", "wasip1", "windows"})
_PART: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ARCHITECTURES: Final[Mapping[str, tuple[str, str]]] = {  # other names, with the variant that they imply
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "loongarch64": ("loong64", ""),
}
_IMPLIED_VARIANT: Final[Mapping[str, str]] = {"arm": "v7", "arm64": "v8", "amd64": "v1"}
_BACKWARD_COMPATIBLE: Final = frozenset({"arm", "amd64"})  # a higher variant runs what a lower one does


@attrs.frozen
class Platform:
    """A platform in the one form; `variant` is empty where it goes without saying."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @property
    def stated(self) -> Mapping[str, str]:
        """The members by which a document states it."""
        members = {"os": self.os, "architecture": self.architecture, "variant": self.variant}
        return {name: value for name, value in members.items() if value}

    @property
    def level(self) -> int:
        """The number of the variant, said or implied; 0 where there is none."""
        variant = self.variant or _IMPLIED_VARIANT.get(self.architecture, "")
        number = variant.removeprefix("v")
        return int(number) if number.isdecimal() else 0

    def runs(self, other: Platform) -> bool:
        """Tell whether a machine of this platform can run what was made for `other`."""
        if (self.os, self.architecture) != (other.os, other.architecture):
            return False
        if self.architecture in _BACKWARD_COMPATIBLE:
            return other.level <= self.level
        return other.level == self.level


def make(os: str, architecture: str, variant: str = "") -> Platform:
    """Return the one form of a platform as a document states it."""
    architecture, implied = _ARCHITECTURES.get(architecture.lower(), (architecture.lower(), ""))
    variant = variant.lower() or implied
    if variant.isdecimal():
        variant = f"v{variant}"
    if variant == _IMPLIED_VARIANT.get(architecture) and architecture != "arm":
        variant = ""
    return Platform(os.lower() or "linux", architecture, variant)


def parse(text: str) -> Platform:
    """Read what a client asks for; what is said alone goes with Linux or this architecture.

    Raises:
        InvalidParameter: it is no platform.

    """
    parts = text.split("/")
    if len(parts) > 3 or not all(map(_PART.fullmatch, parts)):
        raise InvalidParameter(f'"{text[:200]}" is an invalid platform: write OS/ARCHITECTURE[/VARIANT]')
    if len(parts) == 1:
        only = parts[0].lower()
        return attrs.evolve(host(), os=only) if only in _SYSTEMS else make("linux", only)
    return make(*parts)


def host() -> Platform:
    """Return this machine's platform."""
    return make("linux", machine.machine())


def check(name: str, made_for: Platform | None, wanted: Platform | None) -> None:
    """Refuse an image, known as `name`, that is for another platform than the one that somebody wants.

    Raises:
        NotFound: it is, as far as it says what it is for.

    """
    if wanted and made_for and not wanted.runs(made_for):
        raise NotFound(
            f"image with reference {name} was found but its platform ({made_for}) "
            f"does not match the specified platform ({wanted})"
        )


def best(wanted: Platform, offered: Iterable[T], platform_of: Callable[[T], Platform | None]) -> T | None:
    """Return the one of `offered` that suits `wanted` best, or None if none does.

    The highest variant that still runs wins; what does not say what it is for comes last.
    """
    stated = [(offer, platform_of(offer)) for offer in offered]
    suiting = [(offer, platform) for offer, platform in stated if platform and wanted.runs(platform)]
    if suiting:
        return max(suiting, key=lambda one: one[1].level if one[1] else 0)[0]
    return next((offer for offer, platform in stated if platform is None), None)
