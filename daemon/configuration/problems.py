"""What is wrong with a configuration: all of it, because whoever mends one thing at a time gives up."""

from __future__ import annotations


class InvalidSettings(Exception):
    """The configuration cannot be used; `problems` says all that is wrong with it, a line each."""

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(map(_one_line, problems))
        super().__init__("; ".join(self.problems))


def _one_line(text: str) -> str:
    """Escape what the file's own keys and texts may bring: a log and a terminal are to show it."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
