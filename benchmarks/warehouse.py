"""The large images that pulls and loads are measured with, made once for all engines of a run.

They are below the directory that all engines share, and go with it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import attrs

from benchmarks import image, madeimages, registry
from benchmarks.engine import ApiEngine
from benchmarks.filetrees import Shape

MANY_LAYERS: Final = "bench-layers"
MANY_SHAPES: Final = tuple(Shape(files=5000, content_bytes=62_500_000, seed=seed) for seed in range(1, 9))
"""500 MB in 40,000 files."""
ONE_LAYER: Final = "bench-one"
ONE_SHAPE: Final = Shape(files=4000, content_bytes=1_000_000_000, seed=100)
DEEP: Final = "bench-deep"
FLAT: Final = "bench-flat"
DEEP_LAYERS: Final = 60


@attrs.frozen
class Warehouse:
    """Where the images are: `directory` is what a registry serves, `archive` is `MANY_LAYERS` as saved."""

    directory: Path

    @property
    def archive(self) -> Path:
        return self.directory / "layers.tar"

    def small_archive(self, name: str) -> Path:
        """Return where `DEEP` or `FLAT` is."""
        return self.directory / f"{name}.tar"


def warehouse(engine: ApiEngine) -> Warehouse:
    """Return the images of an engine's run, made by who asks first."""
    found = Warehouse(engine.root.parent / "warehouse")
    if not found.directory.exists():
        try:
            _fill(found)
        except BaseException:
            shutil.rmtree(found.directory, ignore_errors=True)  # half of it is none of it
            raise
    return found


def _fill(found: Warehouse) -> None:
    layers = found.directory / "layers"
    layers.mkdir(parents=True)
    with registry.filling(found.directory) as filler:
        many = [madeimages.make_layer(layers, shape) for shape in MANY_SHAPES]
        filler.push(MANY_LAYERS, many)
        madeimages.write_archive(found.archive, MANY_LAYERS, many)
        filler.push(ONE_LAYER, [madeimages.make_layer(layers, ONE_SHAPE)])
    small = madeimages.small_layers(layers, image.root_filesystem(), DEEP_LAYERS)
    madeimages.write_archive(found.small_archive(DEEP), DEEP, small)
    madeimages.write_archive(found.small_archive(FLAT), FLAT, small[:1])
    shutil.rmtree(layers)
