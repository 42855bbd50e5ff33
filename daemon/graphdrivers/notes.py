"""What a driver writes down of its layers: what each was made over, and which are root filesystems."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from daemon.graphdrivers.driver import Inventory


@attrs.frozen
class Notes:
    """A file for each layer in <home>/parents, and for each root filesystem in <home>/roots; all block."""

    home: Path

    def prepare(self) -> None:
        """Make the directories."""
        for directory in ("parents", "roots"):
            (self.home / directory).mkdir(parents=True, exist_ok=True, mode=0o700)

    def note(self, layer_id: str, parent: str, *, is_root: bool) -> None:
        """Write down that a layer is about to be made."""
        if is_root:
            (self.home / "roots" / layer_id).touch()
        (self.home / "parents" / layer_id).write_text(parent)

    def parent(self, layer_id: str) -> str:
        """Return what a layer was made over, "" for nothing.

        Raises:
            OSError: nobody knows of such a layer.

        """
        return (self.home / "parents" / layer_id).read_text()

    def forget(self, layer_id: str) -> None:
        """Forget a layer that is no more."""
        for directory in ("parents", "roots"):
            (self.home / directory / layer_id).unlink(missing_ok=True)

    def inventory(self) -> Inventory:
        """Return what has been made, or was to be."""
        roots = frozenset(os.listdir(self.home / "roots"))
        return Inventory(frozenset(os.listdir(self.home / "parents")) - roots, roots)
