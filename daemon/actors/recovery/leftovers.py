"""What containers' networks may leave on a host, to be looked through when an engine starts; for a thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import attrs

from daemon.networks import links, mending, namespaces
from daemon.networks.plans import LinkPlan


class Leftovers(Protocol):
    """Namespaces and links, and how to be rid of them."""

    def sandboxes(self, directory: Path) -> tuple[Path, ...]:
        """Return the files of all namespaces in a directory."""
        ...

    def links(self, owner: str) -> tuple[str, ...]:
        """Return the names of the host's links that are this owner's.

        Raises:
            Failed: the kernel refuses to say.

        """
        ...

    def remove_sandbox(self, sandbox: Path) -> None:
        """Leave nothing of a namespace.

        Raises:
            Failed: the kernel refuses.

        """

    def remove_link(self, name: str) -> None:
        """Delete a link.

        Raises:
            Failed: the kernel refuses.

        """

    def is_amiss(self, sandbox: Path, plans: Sequence[LinkPlan]) -> bool:
        """Tell whether the links in a namespace are not those planned; of none that is not there.

        Raises:
            Failed: the kernel refuses to say.

        """
        ...

    def mend(self, sandbox: Path, plans: Sequence[LinkPlan]) -> None:
        """Bring what is missing in a namespace about, and the ways out.

        Raises:
            Failed: the kernel refuses.

        """


@attrs.frozen
class LinuxLeftovers:
    """What this machine has."""

    def sandboxes(self, directory: Path) -> tuple[Path, ...]:
        """Return the files of all namespaces in a directory."""
        return namespaces.below(directory)

    def links(self, owner: str) -> tuple[str, ...]:
        """Return the names of the host's links that are this owner's."""
        return tuple(link.name for link in links.links_of(owner))

    def remove_sandbox(self, sandbox: Path) -> None:
        """Leave nothing of a namespace."""
        namespaces.remove(sandbox)

    def remove_link(self, name: str) -> None:
        """Delete a link."""
        links.remove_link(name)

    def is_amiss(self, sandbox: Path, plans: Sequence[LinkPlan]) -> bool:
        """Tell whether the links in a namespace are not those planned."""
        return mending.is_amiss(sandbox, plans)

    def mend(self, sandbox: Path, plans: Sequence[LinkPlan]) -> None:
        """Bring what is missing in a namespace about."""
        mending.mend(sandbox, plans)
