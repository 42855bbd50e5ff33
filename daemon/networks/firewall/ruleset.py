"""What the firewall is to let pass, as one value, and how two of them differ.

A port of the host belongs to one container at a time: whoever asks for one that is taken is refused
here, however the ports came to be given out.  A port is only taken away from the container that has it,
so what a container that has ended says late does no harm to its successor.

How two rulesets differ is asked for what was touched, never found by going through all of them, so a
change costs as much with a thousand ports as with none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

import attrs

from daemon.errors import Conflict, InvalidParameter, NotImplementedHere
from daemon.networks.plans import BridgeRules, PublishedPort

K = TypeVar("K")
V = TypeVar("V")
Key = tuple[str, bytes, int]
_NO_BRIDGES: Final[Mapping[str, BridgeRules]] = MappingProxyType({})
_NO_PORTS: Final[Mapping[Key, PublishedPort]] = MappingProxyType({})
# The kernel allows more, but nft would read some of that as its own.
_LINK: Final = re.compile(r"[\w.@+-]{1,15}", re.ASCII)


def key_of(port: PublishedPort) -> Key:
    """Return where the host answers for `port`."""
    # As bytes, because an address object is hashed anew, and slowly, each time.
    return port.protocol, port.host_address.packed, port.host_port


@attrs.frozen
class Touched:
    """What a change may have changed: bridges by link, ports by key."""

    links: frozenset[str] = frozenset()
    keys: frozenset[Key] = frozenset()

    def __or__(self, other: Touched) -> Touched:
        return Touched(self.links | other.links, self.keys | other.keys)


@attrs.frozen
class Ruleset:
    """Bridges by link, published ports by where the host answers."""

    bridges: Mapping[str, BridgeRules] = _NO_BRIDGES
    ports: Mapping[Key, PublishedPort] = _NO_PORTS

    @classmethod
    def of(cls, bridges: Collection[BridgeRules], ports: Iterable[PublishedPort]) -> Ruleset:
        """Make one of all that it is to have.

        Raises:
            Conflict: two containers want the same port.
            InvalidParameter: a bridge has a name that cannot be written in a rule.
            NotImplementedHere: a port is to be published at ::1.

        """
        return cls().installed(bridges, ports)

    def __bool__(self) -> bool:
        return bool(self.bridges or self.ports)

    def installed(self, bridges: Collection[BridgeRules], ports: Iterable[PublishedPort]) -> Ruleset:
        """Return this with `bridges`, whose former rules they replace, and `ports`.

        Raises:
            Conflict: a port belongs to another container.
            InvalidParameter: a bridge has a name that cannot be written in a rule.
            NotImplementedHere: a port is to be published at ::1.

        """
        _check_links(bridges)
        taken = dict(self.ports)
        for port in ports:
            _check_address(port)
            owner = taken.setdefault(key_of(port), port)
            if owner is not port and owner != port:
                address = f"[{port.host_address}]" if port.host_address.version == 6 else port.host_address
                raise Conflict(f"Bind for {address}:{port.host_port} failed: port is already allocated")
        return Ruleset({**self.bridges, **{bridge.link: bridge for bridge in bridges}}, taken)

    def withdrawn(self, links: Iterable[str], ports: Iterable[PublishedPort]) -> Ruleset:
        """Return this without the bridges `links` and without `ports`, as far as they are here."""
        bridges, left = dict(self.bridges), dict(self.ports)
        for link in links:
            bridges.pop(link, None)
        for port in ports:
            if left.get(key_of(port)) == port:
                del left[key_of(port)]
        return Ruleset(bridges, left)


@attrs.frozen
class Change:
    """How one ruleset differs from another."""

    bridges_gone: tuple[BridgeRules, ...] = ()
    bridges_new: tuple[BridgeRules, ...] = ()
    ports_gone: tuple[PublishedPort, ...] = ()
    ports_new: tuple[PublishedPort, ...] = ()

    @classmethod
    def between(cls, before: Ruleset, after: Ruleset, touched: Touched) -> Change:
        """Return what differs of what was touched."""
        bridges_gone, bridges_new = _differing(before.bridges, after.bridges, touched.links)
        ports_gone, ports_new = _differing(before.ports, after.ports, touched.keys)
        return cls(bridges_gone, bridges_new, ports_gone, ports_new)

    def __bool__(self) -> bool:
        return any((self.bridges_gone, self.bridges_new, self.ports_gone, self.ports_new))


def _differing(
    before: Mapping[K, V], after: Mapping[K, V], touched: Iterable[K]
) -> tuple[tuple[V, ...], tuple[V, ...]]:
    pairs = [(before.get(key), after.get(key)) for key in touched]
    differing = [(old, new) for old, new in pairs if old is not new and old != new]
    gone, new = zip(*differing, strict=True) if differing else ((), ())
    return tuple(filter(None, gone)), tuple(filter(None, new))


def _check_links(bridges: Iterable[BridgeRules]) -> None:
    for bridge in bridges:
        if _LINK.fullmatch(bridge.link) is None:
            raise InvalidParameter(
                f'bridge name "{bridge.link}": the firewall takes 1 to 15 letters, digits and . @ + - _'
            )


def _check_address(port: PublishedPort) -> None:
    if port.host_address.version == 6 and port.host_address.is_loopback:
        raise NotImplementedHere(
            f"port {port.host_port} cannot be published at ::1, "
            "for which the kernel takes no answer from a bridge; publish it at 127.0.0.1"
        )
