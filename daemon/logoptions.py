"""What the options of a logging driver mean, and which are refused.

The rule: an option is honoured or refused, never ignored, and what dockerd refuses is refused with its
text.  Some of the honoured ones ask for what is so anyway (no compression, a writer that waits, several
files of a log that has no maximum size); `labels` and `env` take effect where a log is read with details.
dockerd finds a malformed value when the container starts; here it is found at the create, or when the
engine's own configuration is read, because that is where somebody can still correct it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from daemon.errors import EngineError, InvalidParameter, NotImplementedHere

JSON_FILE: Final = "json-file"
NONE: Final = "none"

LARGEST_BYTES: Final = 2**63 - 1
"""What conmon's counter can hold."""

MOST_FILES: Final = 1000
"""Whoever reads a log has all its files open."""

# Decimal, also with "i": json-file has sizes of files, not of memory (go-units' FromHumanSize).
_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
_SIZE: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+) ?(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE)
_COUNT: Final = re.compile(r"[+-]?[0-9]{1,9}")
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})

Options = Mapping[str, str]
Check = Callable[[str, Options], EngineError | None]


def check(driver: str, options: Options) -> None:
    """Refuse a container whose output could not be logged as its creator wants it.

    Raises:
        InvalidParameter: an option is unknown, or its value malformed.
        NotImplementedHere: dockerd has that driver, option or value, this engine has not.

    """
    for fault in _faults(driver, options):
        raise fault


def problems(driver: str, options: Options) -> tuple[str, ...]:
    """Return everything that is wrong with `options` for `driver`, or with the driver itself."""
    return tuple(str(fault) for fault in _faults(driver, options))


def max_size_bytes(options: Options) -> int | None:
    """Return how large a log may grow before it begins anew; None is without limit.

    Raises:
        InvalidParameter: it is no size, or zero.

    """
    return _size_bytes(options["max-size"]) if "max-size" in options else None


def max_files(options: Options) -> int:
    """Return how many files there may be of a log, the current one included.

    Raises:
        InvalidParameter: it is no number, or less than 1.
        NotImplementedHere: it is too many.

    """
    return _files(options.get("max-file", "1")) if "max-size" in options else 1


def _faults(driver: str, options: Options) -> Iterator[EngineError]:
    if driver == NONE:
        return  # it has no options, and dockerd takes any: there is nothing they could be about
    if driver != JSON_FILE:
        yield NotImplementedHere(f'logging driver "{driver}" is not supported yet: use {JSON_FILE} or {NONE}')
        return
    for name, value in sorted(options.items()):
        if name not in _CHECKS:
            yield InvalidParameter(f"unknown log opt '{name}' for {JSON_FILE} log driver")
        elif fault := _CHECKS[name](value, options):
            yield fault


def _size_bytes(text: str) -> int:
    found = _SIZE.fullmatch(text)
    size = float(found[1]) * _UNITS[(found[2] or "").lower()] if found else LARGEST_BYTES + 1
    if size > LARGEST_BYTES:
        raise InvalidParameter(f"log opt 'max-size': invalid size: '{text}'")
    if size < 1:
        raise InvalidParameter("max-size must be a positive number")
    return int(size)


def _files(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise InvalidParameter(f"log opt 'max-file': invalid number: '{text}'")
    if int(text) < 1:
        raise InvalidParameter("max-file cannot be less than 1")
    if int(text) > MOST_FILES:
        raise NotImplementedHere(f"log opt 'max-file': '{text}' is not supported: {MOST_FILES} is the most")
    return int(text)


def _read_by(reader: Callable[[str], int]) -> Check:
    def check_value(text: str, _: Options) -> EngineError | None:
        try:
            reader(text)
        except EngineError as error:
            return error
        return None

    return check_value


def _compress(text: str, options: Options) -> EngineError | None:
    if text in _FALSE:
        return None
    if text not in _TRUE:
        return InvalidParameter(f"log opt 'compress': invalid boolean: '{text}'")
    files = options.get("max-file", "1")
    if "max-size" not in options or (_COUNT.fullmatch(files) and int(files) < 2):
        return InvalidParameter("compress cannot be true when max-file is less than 2 or max-size is not set")
    return NotImplementedHere(
        "log opt 'compress': 'true' is not supported yet: old files are kept as they are"
    )


def _mode(text: str, _: Options) -> EngineError | None:
    if text == "non-blocking":
        return NotImplementedHere("log opt 'mode': 'non-blocking' is not supported yet: use 'blocking'")
    known = text in {"", "blocking"}
    return None if known else InvalidParameter(f"logger: logging mode not supported: {text}")


def _any(_: str, __: Options) -> None:
    """Accept names of labels or variables: those that there are not match nothing."""


def _absent(name: str) -> Check:
    return lambda _, __: NotImplementedHere(f"log opt '{name}' is not supported yet")


_ABSENT: Final = (
    *("labels-regex", "env-regex", "tag", "max-buffer-size"),
    *("cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"),
)
_CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "max-size": _read_by(_size_bytes),
        "max-file": _read_by(_files),
        "compress": _compress,
        "mode": _mode,
        "labels": _any,
        "env": _any,
        **{name: _absent(name) for name in _ABSENT},
    }
)
