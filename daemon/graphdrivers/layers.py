"""Unpacked layers as directories named by chain ID: <root>/layers/<hex>.

A directory has its final name only when it is complete, and loses it in one rename before the first
file of it is deleted.  So a name that exists is a whole layer, whenever the engine died.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

DRIVER_NAME: Final = "overlay2"  # Docker's name for this arrangement, which tools know


@attrs.frozen
class OverlayLayers:
    """The layer store of the overlay driver; all calls are a few renames, fit for the engine's thread."""

    root: Path

    @property
    def trash(self) -> Path:
        """Where removed layers wait to be deleted."""
        return self.root / "trash"

    @property
    def _staging(self) -> Path:
        return self.root / "staging"

    def open(self) -> None:
        """Make the directories."""
        for directory in (self.root / "layers", self._staging, self.trash):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, chain_id: str) -> Path:
        """Return where a layer is, or would be."""
        return self.root / "layers" / chain_id.removeprefix("sha256:")

    def describe(self, chain_ids: Sequence[str]) -> Mapping[str, Any]:
        """Return what inspect shows as the GraphDriver of an image with these layers, lowest first."""
        paths = [str(self.path(chain_id)) for chain_id in reversed(chain_ids)]
        data = {"UpperDir": paths[0]} if paths else {}
        return {"Name": DRIVER_NAME, "Data": data | ({"LowerDir": ":".join(paths[1:])} if paths[1:] else {})}

    def __contains__(self, chain_id: str) -> bool:
        return self.path(chain_id).is_dir()

    @contextlib.contextmanager
    def staging(self) -> Generator[Path, None, None]:
        """Lend a new empty directory to unpack a layer into; what has not been adopted is discarded."""
        directory = self._staging / secrets.token_hex(8)
        directory.mkdir()
        directory.chmod(0o755)  # the root of a layer that does not say otherwise, whatever our umask is
        try:
            yield directory
        finally:
            if directory.exists():
                self._throw_away(directory)

    def adopt(self, staged: Path, chain_id: str) -> None:
        """Make what was unpacked into `staged` the layer `chain_id`, unless there is one."""
        if chain_id not in self:
            os.rename(staged, self.path(chain_id))

    def discard(self, chain_id: str) -> None:
        """Take a layer out of the store, at once; the trash is emptied later."""
        if chain_id in self:
            self._throw_away(self.path(chain_id))

    def keep_only(self, chain_ids: Collection[str]) -> None:
        """Discard all other layers and everything half unpacked; for start-up."""
        wanted = {self.path(chain_id) for chain_id in chain_ids}
        for layer in (self.root / "layers").iterdir():
            if layer not in wanted:
                self._throw_away(layer)
        for staged in self._staging.iterdir():
            self._throw_away(staged)

    def _throw_away(self, directory: Path) -> None:
        os.rename(directory, self.trash / secrets.token_hex(8))
