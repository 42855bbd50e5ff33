"""Mirrors that have served another blob than they were asked for: they are not asked for it again.

What came of several places is wrong as a whole, and nobody knows which of them was at fault; so every mirror
that had a part in it is passed over, as one that lacks the blob, and the registry has the last word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import attrs
import structlog

from daemon.images.registry.site import Site

LOG: Final = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Suspicion:
    """Which mirrors have had a part in a blob, and which are not asked for it any more; by digest."""

    _served: defaultdict[str, list[Site]] = attrs.field(factory=lambda: defaultdict(list), init=False)
    _passed_over: defaultdict[str, list[Site]] = attrs.field(factory=lambda: defaultdict(list), init=False)

    def places(self, sites: Sequence[Site], digest: str) -> list[Site]:
        """Return those of `sites` that may be asked for a blob."""
        return [site for site in sites if site not in self._passed_over[digest]]

    def served(self, mirror: Site, digest: str) -> None:
        """Remember that something of a blob comes from a mirror."""
        self._served[digest].append(mirror)

    def distrust(self, digest: str) -> bool:
        """Pass over whichever mirror has had a part in a blob that is wrong; say whether one had."""
        mirrors = self._served.pop(digest, [])
        for mirror in mirrors:
            LOG.warning("a mirror serves another blob", mirror=mirror.endpoint.name, digest=digest)
        self._passed_over[digest] += mirrors
        return bool(mirrors)
