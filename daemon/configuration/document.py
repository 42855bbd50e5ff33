"""The configuration file's bytes as a JSON object, and what no text in it may be.

Whatever passes here can be walked recursively and given to the kernel: it is not nested deeper than
any configuration is, and every text is one that a file name or an argument can be.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from daemon.configuration.problems import InvalidSettings

MAX_DEPTH: Final = 32


def read(file: bytes) -> dict[str, Any]:
    """Make the object of the file's content; an empty file is an empty object.

    Raises:
        InvalidSettings: the content is something else.

    """
    content = file.removeprefix(codecs.BOM_UTF8).strip()  # some editors write one, and dockerd takes it
    try:
        document = orjson.loads(content) if content else {}
    except orjson.JSONDecodeError as error:
        raise InvalidSettings(f"invalid JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidSettings("invalid JSON: expected an object with configuration keys")
    if any(depth > MAX_DEPTH for _, depth, _ in _texts(document)):
        raise InvalidSettings(f"invalid JSON: nested more than {MAX_DEPTH} levels deep")
    return document


def unusable_texts(document: Mapping[str, Any]) -> Iterator[str]:
    """Name every text that no file name and no argument could be; flags may bring any bytes."""
    for path, _, text in _texts(document):
        if "\0" in text:
            yield f"{path}: must not contain a NUL character"
        if any("\ud800" <= character <= "\udfff" for character in text):
            yield f"{path}: must be UTF-8"


def _texts(document: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Walk every text with its path and depth, keys too; without recursion, since the depth is unchecked."""
    waiting: deque[tuple[str, int, Any]] = deque([("", 0, document)])
    while waiting:
        path, depth, value = waiting.popleft()
        if isinstance(value, Mapping):
            for key, item in value.items():
                inner = f"{path}.{key}".removeprefix(".")
                yield inner, depth, key
                waiting.append((inner, depth + 1, item))
        elif isinstance(value, list | tuple):
            waiting.extend((f"{path}[{i}]", depth + 1, item) for i, item in enumerate(value))
        elif isinstance(value, str):
            yield path, depth, value
