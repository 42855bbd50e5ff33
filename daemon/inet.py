"""Addresses of the internet protocols in JSON: the texts that `ipaddress` writes and reads."""

from __future__ import annotations

import types
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any, Final, Union, get_args, get_origin

from daemon.shapes import Mismatch, mismatch

ADDRESSES: Final = (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)


def is_address(type_: Any) -> bool:
    """Whether `type_` is one of `ADDRESSES`, or a union of some of them, perhaps with None."""
    return bool(kinds := _kinds(type_) - {type(None)}) and kinds <= set(ADDRESSES)


def _kinds(type_: Any) -> set[Any]:
    return set(get_args(type_)) if get_origin(type_) in {Union, types.UnionType} else {type_}


def address(value: Any, type_: Any) -> Any:
    """Take an address, or an interface's, or a network's, as `ipaddress` writes it."""
    kinds = _kinds(type_)
    if value is None and type(None) in kinds:
        return None
    if type(value) is not str:
        raise mismatch("string", value)
    for kind in (kind for kind in ADDRESSES if kind in kinds):
        try:
            return kind(value)
        except ValueError:
            continue
    raise Mismatch([("", f"expected an address, got {value!r}")])
