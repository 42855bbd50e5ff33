"""What may be said to the firewall's actor.  Each is answered with nothing, once it holds in the kernel."""

from __future__ import annotations

from typing import ClassVar

import attrs

from daemon.actors.mailbox import Command
from daemon.networks.firewall.ruleset import Ruleset, Touched, key_of
from daemon.networks.plans import BridgeRules, PublishedPort


@attrs.frozen
class Wish(Command[None]):
    """A change of what is wanted; `anew`: the whole table is to be made anew for it."""

    anew: ClassVar[bool] = False

    def on(self, rules: Ruleset) -> Ruleset:
        """Return `rules` changed.

        Raises:
            Conflict: a port belongs to another container.
            InvalidParameter: a bridge has a name that cannot be written in a rule.
            NotImplementedHere: a port is to be published at ::1.

        """
        return rules

    def touched(self, _rules: Ruleset) -> Touched:
        """Return what this may have changed of the rules."""
        return Touched()


@attrs.frozen
class Install(Wish):
    """Have `bridges`, whose former rules they replace, and publish `ports`."""

    bridges: tuple[BridgeRules, ...] = ()
    ports: tuple[PublishedPort, ...] = ()

    def on(self, rules: Ruleset) -> Ruleset:
        """See `Wish`."""
        return rules.installed(self.bridges, self.ports)

    def touched(self, _rules: Ruleset) -> Touched:
        """See `Wish`."""
        links = frozenset(bridge.link for bridge in self.bridges)
        return Touched(links, frozenset(map(key_of, self.ports)))


@attrs.frozen
class Withdraw(Wish):
    """Have no rules for the bridges `links` any more, and `ports` not published.

    What is not there does no harm.
    """

    links: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()

    def on(self, rules: Ruleset) -> Ruleset:
        """See `Wish`."""
        return rules.withdrawn(self.links, self.ports)

    def touched(self, _rules: Ruleset) -> Touched:
        """See `Wish`."""
        return Touched(frozenset(self.links), frozenset(map(key_of, self.ports)))


@attrs.frozen
class Reconcile(Wish):
    """Have `bridges` and `ports` and nothing else, whatever an engine before this one has left."""

    bridges: tuple[BridgeRules, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    anew: ClassVar[bool] = True

    def on(self, _rules: Ruleset) -> Ruleset:
        """See `Wish`."""
        return Ruleset.of(self.bridges, self.ports)

    def touched(self, rules: Ruleset) -> Touched:
        """See `Wish`."""
        before = Touched(frozenset(rules.bridges), frozenset(rules.ports))
        return before | Install(self.bridges, self.ports).touched(rules)


@attrs.frozen
class Repair(Wish):
    """Make the table what it should be, whatever somebody has done to it."""

    anew: ClassVar[bool] = True
