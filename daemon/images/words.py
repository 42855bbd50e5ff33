"""The words of a Dockerfile's instruction: quotes, escapes and variables, as a shell has them.

In single quotes everything is itself, in double quotes variables are replaced; a backslash takes its meaning
from what follows it.  A variable that is not set is nothing.

Source: Dockerfile reference, "Environment replacement"; what dockerd 20.10 makes of the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from daemon.errors import InvalidParameter

# Never backtracks: each part begins with another character, and a quote that is left open is part of a word.
_RAW: Final = re.compile(r"""(?:'[^']*'?|"(?:\\.|[^"\\])*"?|\\.?|[^\s'"\\])+""", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z_]\w*|[0-9]+|[@*#?$!-]", re.ASCII)
_MODIFIER: Final = re.compile(r"(:?)([-+?])|\}")
_KEEPS_MEANING: Final = '"$\\'  # what a backslash in double quotes takes the meaning from
_DEPTH_LIMIT: Final = 16


def split(text: str) -> list[str]:
    """Return the words of `text` as they are written: quotes and variables are still in them."""
    return _RAW.findall(text)


def expand(word: str, variables: Mapping[str, str]) -> str:
    """Return what `word` means.

    Raises:
        InvalidParameter: a quote or brace is left open, or a variable is malformed or demanded in vain.

    """
    return _Reader(word, variables).until("")


@attrs.define(eq=False)
class _Reader:
    """One word being read, from left to right."""

    text: str
    variables: Mapping[str, str]
    _position: int = attrs.field(default=0, init=False)
    _depth: int = attrs.field(default=0, init=False)

    def until(self, end: str) -> str:
        """Read up to the character `end`, or all there is if that is empty."""
        pieces = []
        while self._position < len(self.text) or end:
            character = self._next()
            if character == end:
                break
            read = _READERS.get(character)
            pieces.append(read(self) if read else character)
        return "".join(pieces)

    def _next(self) -> str:
        if self._position >= len(self.text):
            raise self._malformed("it ends too early")
        self._position += 1
        return self.text[self._position - 1]

    def _escaped(self) -> str:
        return self._next() if self._position < len(self.text) else ""

    def _single(self) -> str:
        start = self._position
        while self._next() != "'":
            pass
        return self.text[start : self._position - 1]

    def _double(self) -> str:
        pieces = []
        while (character := self._next()) != '"':
            if character == "\\":
                following = self._next()
                character = following if following in _KEEPS_MEANING else character + following
            elif character == "$":
                character = self._variable()
            pieces.append(character)
        return "".join(pieces)

    def _variable(self) -> str:
        if self.text.startswith("{", self._position):
            self._position += 1
            return self._braced()
        found = _NAME.match(self.text, self._position)
        if found is None:
            return "$"
        self._position = found.end()
        return self.variables.get(found[0], "")

    def _braced(self) -> str:
        name = self._match(_NAME)[0]
        modifier = self._match(_MODIFIER)
        value = self.variables.get(name)
        if modifier[0] == "}":
            return value or ""
        instead = self._nested()
        is_set = bool(value) if modifier[1] else value is not None
        if modifier[2] == "?" and not is_set:
            raise self._malformed(f"{name}: {instead}")
        if modifier[2] == "+":
            return instead if is_set else ""
        return value or "" if is_set else instead

    def _nested(self) -> str:
        self._depth += 1
        if self._depth > _DEPTH_LIMIT:
            raise self._malformed("it is nested too deeply")
        found = self.until("}")
        self._depth -= 1
        return found

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self._position)
        if found is None:
            raise self._malformed("bad substitution")
        self._position = found.end()
        return found

    def _malformed(self, why: str) -> InvalidParameter:
        return InvalidParameter(f"dockerfile parse error: failed to process {self.text[:200]!r}: {why}")


_READERS: Final[Mapping[str, Callable[[_Reader], str]]] = {
    "'": _Reader._single,
    '"': _Reader._double,
    "\\": _Reader._escaped,
    "$": _Reader._variable,
}
