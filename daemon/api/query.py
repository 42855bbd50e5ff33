"""Query parameters, read as Docker reads them: lenient where it is, with its texts where it is not.

Each reader comes as a pure function of the text and as a reader of the current request.  The rule:
whatever a client sends, the answer is a value or `InvalidParameter`.  Parameters that nobody
reads are ignored.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from quart import request

from daemon.api.body import parse_json
from daemon.api.timestamps import parse_timestamp
from daemon.errors import InvalidParameter

FALSE: Final = frozenset({"", "0", "no", "false", "none"})
FILTER_FLAGS: Final = MappingProxyType({"1": True, "true": True, "0": False, "false": False})
INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)

Filters: TypeAlias = Mapping[str, tuple[str, ...]]
"""The values of each filter that was given, in the order in which they came."""


def text(name: str, default: str = "") -> str:
    """Return a parameter as it is, the first one if it is repeated."""
    return request.args.get(name, default)


def texts(name: str) -> tuple[str, ...]:
    """Return all values of a parameter that may be repeated."""
    return tuple(request.args.getlist(name))


def flag(name: str, *, default: bool = False) -> bool:
    """Return a boolean parameter; `default` counts only if it is absent."""
    value = request.args.get(name)
    return default if value is None else parse_boolean(value)


def parse_boolean(value: str) -> bool:
    """Return whether `value` is anything but one of the words for false."""
    return value.strip().lower() not in FALSE


def integer(name: str, default: int = 0) -> int:
    """Return an integer parameter; `default` if it is absent or empty.

    Raises:
        InvalidParameter: it is no integer of 64 bits.

    """
    value = request.args.get(name, "")
    return parse_integer(name, value) if value else default


def parse_integer(name: str, value: str) -> int:
    """Return the integer that `value` is; `name` is for the error."""
    if not INTEGER.fullmatch(value):
        raise InvalidParameter(f"invalid value for {name}: {value[:64]!r} is not an integer")
    return int(value)


def timestamp(name: str) -> int | None:
    """Return a point in time in ns since the epoch; None if there is none.  See `timestamps`.

    Raises:
        InvalidParameter: it cannot be read.

    """
    return parse_timestamp(request.args.get(name, ""), time.time_ns())


def filters(allowed: Collection[str]) -> Filters:
    """Return the `filters` parameter.

    Raises:
        InvalidParameter: it is not JSON of one of the two forms, or has a key beyond `allowed`.

    """
    return parse_filters(request.args.get("filters", ""), allowed)


def parse_filters(value: str, allowed: Collection[str]) -> Filters:
    """Return the filters that `value` is: Go's `{"k":{"v":true}}` or everyone else's `{"k":["v"]}`."""
    if not value:
        return {}
    try:
        document = parse_json(value.encode())
    except (InvalidParameter, UnicodeEncodeError):  # a lone surrogate
        raise InvalidParameter("invalid filter") from None
    if not isinstance(document, Mapping | None):
        raise InvalidParameter("invalid filter")
    found = {key: _filter_values(values) for key, values in (document or {}).items()}
    for key in found:
        if key not in allowed:
            raise InvalidParameter(f"invalid filter '{key}'")
    return MappingProxyType(found)


def _filter_values(values: Any) -> tuple[str, ...]:
    """Return the values of one filter; the booleans of Go's form are never looked at."""
    if not isinstance(values, Mapping | list | None):
        raise InvalidParameter("invalid filter")
    if not all(isinstance(value, str) for value in values or ()):
        raise InvalidParameter("invalid filter")
    return tuple(dict.fromkeys(values or ()))


def filter_flag(given: Filters, key: str, *, default: bool) -> bool:
    """Return the one boolean that a filter such as `dangling` stands for.

    Raises:
        InvalidParameter: it is no boolean, or both.

    """
    values = given.get(key, ())
    meant = {FILTER_FLAGS.get(value) for value in values}
    if not values:
        return default
    if None in meant or len(meant) > 1:
        raise InvalidParameter(f"invalid filter '{key}=[{' '.join(values)}]'")
    return True in meant


def filter_time(given: Filters, key: str, now_ns: int) -> int | None:
    """Return the one point in time that a filter such as `until` names, in ns; None without it.

    Raises:
        InvalidParameter: it cannot be read, or there are several.

    """
    values = given.get(key, ())
    if len(values) > 1:
        raise InvalidParameter(f"invalid filter '{key}={' '.join(values)}': more than one value")
    return parse_timestamp(values[0], now_ns) if values else None
