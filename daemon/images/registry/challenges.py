"""What a registry wants of whoever asks: the header `WWW-Authenticate`.

Source: RFC 9110, 11.2 to 11.6.1 (grammar); the distribution project's token specification (parameters).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf'\s*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))\s*(?:,|$)', re.DOTALL)
_SCHEME: Final = re.compile(rf"[\s,]*({_WORD})(?:\s+|,|$)")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*\s*(?:,|$)")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


@attrs.frozen
class Challenge:
    """A scheme in lower case, and its parameters by names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = attrs.field(factory=dict)


def read(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return all challenges of the header's values; what cannot be read is passed over."""
    return tuple(challenge for value in headers for challenge in _read_one(value))


def _read_one(value: str) -> Iterator[Challenge]:
    at = 0
    while found := _SCHEME.match(value, at):
        at = found.end()
        parameters: dict[str, str] = {}
        if bare := _TOKEN68.match(value, at):
            at = bare.end()
        while parameter := _PARAMETER.match(value, at):
            name, quoted, plain = parameter.groups()
            parameters[name.lower()] = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
            at = parameter.end()
        yield Challenge(found[1].lower(), parameters)
