"""Where the overlay driver has what, and what stands on what; all of it blocks.

<root>/layers/<id> is a layer's own files, in overlayfs form; <root>/parents/<id> says what it stands on.
A root filesystem's directory <root>/containers/<id> holds diff (what was written to it), work (the kernel's),
merged (where it is mounted) and layers (the ids below, lowest first).  <root>/views/<id> is where a layer
is mounted to be looked at, and <root>/empty is what its name says.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs
import orjson

from daemon.graphdrivers import trees
from daemon.graphdrivers.driver import Inventory

PREFIX: Final = "sha256:"  # earlier versions wrote chain IDs where ids are now
DIRECTORIES: Final = ("layers", "parents", "containers", "views", "empty", "trash")


@attrs.define(eq=False)
class OverlayFiles:
    """The driver's directory."""

    root: Path
    # What was found out once of a layer stays true: a start over 60 layers looks at none of them.
    _parents: dict[str, str] = attrs.field(factory=dict, init=False)
    _chains: dict[str, list[str]] = attrs.field(factory=dict, init=False)

    def prepare(self) -> None:
        """Make what is missing, and forget the parents of layers that a crash kept from being made."""
        for name in DIRECTORIES:
            (self.root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        if (staging := self.root / "staging").exists():  # of an earlier version
            trees.delete_tree(staging)
            trees.empty(self.root / "trash")

        parents, layers = (frozenset(os.listdir(self.root / name)) for name in ("parents", "layers"))
        for orphan in parents - layers:
            (self.root / "parents" / orphan).unlink()

    def inventory(self) -> Inventory:
        """Return what there is."""
        names = [frozenset(os.listdir(self.root / name)) for name in ("layers", "containers")]
        return Inventory(*names)

    def layer(self, layer_id: str) -> Path:
        """Return where a layer's own files are, or would be."""
        return self.root / "layers" / layer_id

    def container(self, layer_id: str) -> Path:
        """Return where everything of a root filesystem is, or would be."""
        return self.root / "containers" / layer_id

    def own(self, layer_id: str) -> Path:
        """Return where the files are that it does not have from below."""
        if layer_id in self._chains:
            return self.layer(layer_id)
        container = self.container(layer_id)
        return container / "diff" if container.is_dir() else self.layer(layer_id)

    def below(self, layer_id: str) -> list[str]:
        """Return the ids of the layers it stands on, uppermost first.

        Raises:
            OSError: it is not there, or what it stands on is not known.

        """
        try:
            found: list[str] = orjson.loads((self.container(layer_id) / "layers").read_bytes())
        except FileNotFoundError:
            return self._chain(self.parent(layer_id))
        return [name.removeprefix(PREFIX) for name in reversed(found)]

    def parent(self, layer_id: str) -> str:
        """Return what a layer stands on, "" for nothing.

        Raises:
            OSError: that is not known.

        """
        if layer_id not in self._parents:
            self._parents[layer_id] = (self.root / "parents" / layer_id).read_text()
        return self._parents[layer_id]

    def lowers(self, layer_id: str) -> list[Path]:
        """Return the directories of all layers it stands on, uppermost first."""
        return [self.own(below) for below in self.below(layer_id)]

    def create(self, layer_id: str, parent: str) -> None:
        """Make an empty layer; of one that is there, note only the parent."""
        note = self.root / "parents" / layer_id
        if not note.exists():
            write(note, parent.encode())
        # 0755 is what a layer is that does not say otherwise, whatever our umask is.
        layer = self.layer(layer_id)
        if not layer.exists():
            layer.mkdir()
            layer.chmod(0o755)

    def create_read_write(self, layer_id: str, parent: str) -> None:
        """Make a root filesystem over the layers from `parent` down; what is there stays as it is."""
        directory = self.container(layer_id)
        if (directory / "layers").exists():
            return
        chain = self._chain(parent)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("diff", "work", "merged") if chain else ("diff", "work", "merged", "empty"):
            (directory / name).mkdir(exist_ok=True)
        top = os.stat(self.own(parent)) if chain else None
        # The upper directory shows as `/` of the container, so it takes the image's owner and mode.
        os.chown(directory / "diff", top.st_uid if top else 0, top.st_gid if top else 0)
        os.chmod(directory / "diff", stat.S_IMODE(top.st_mode) if top else 0o755)
        write(directory / "layers", orjson.dumps(chain[::-1]))

    def delete(self, layer_id: str) -> None:
        """Delete it, if it is there; a layer ceases to be one at once, so no half of it is ever seen."""
        layer, trash = self.layer(layer_id), self.root / "trash" / layer_id
        trees.delete_tree(self.container(layer_id))
        trees.delete_tree(trash)
        if layer.exists():
            os.rename(layer, trash)
            trees.delete_tree(trash)
        self._parents.pop(layer_id, None)
        self._chains.pop(layer_id, None)
        (self.root / "parents" / layer_id).unlink(missing_ok=True)

    def stands_on(self, layer_id: str, parent: str | None) -> bool:
        """Tell whether `parent` is what is right below a layer; None always is."""
        if parent is None:
            return True
        below = self.below(layer_id)
        return parent == (below[0] if below else "")

    def describe(self, layer_id: str) -> Mapping[str, str]:
        """Return the directories under dockerd's names; of a layer, those that it has."""
        try:
            below = ":".join(str(path) for path in self.lowers(layer_id))
        except OSError:
            return {}
        directory = self.container(layer_id)
        if not directory.is_dir():
            own = {"UpperDir": str(self.layer(layer_id))}
            return own | ({"LowerDir": below} if below else {})
        return {
            "LowerDir": below or str(directory / "empty"),
            "MergedDir": str(directory / "merged"),
            "UpperDir": str(directory / "diff"),
            "WorkDir": str(directory / "work"),
        }

    def _chain(self, layer_id: str) -> list[str]:
        """Return a layer's id and those below, uppermost first."""
        if not layer_id:
            return []
        if (known := self._chains.get(layer_id)) is not None:
            return known
        if not self.own(layer_id).is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.layer(layer_id)))
        chain = [layer_id, *self.below(layer_id)]
        if self.layer(layer_id).is_dir():
            self._chains[layer_id] = chain
        return chain


def write(path: Path, content: bytes) -> None:
    """Make `path` have this content, or leave it as it was."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_bytes(content)
    os.replace(temporary, path)
