from __future__ import annotations

import stat
from pathlib import Path

import pytest

from daemon.graphdrivers import trees
from daemon.graphdrivers.layers import OverlayLayers
from daemon.images import digests

CHAIN_ID = digests.of(b"chain")


@pytest.fixture
def layers(tmp_path: Path) -> OverlayLayers:
    made = OverlayLayers(tmp_path)
    made.open()
    return made


def put(layers: OverlayLayers, chain_id: str = CHAIN_ID) -> None:
    with layers.staging() as staged:
        (staged / "file").touch()
        layers.adopt(staged, chain_id)


def test_a_layer_is_there_once_it_is_adopted(layers: OverlayLayers) -> None:
    assert CHAIN_ID not in layers
    put(layers)
    assert CHAIN_ID in layers
    assert (layers.path(CHAIN_ID) / "file").exists()


def test_a_layer_that_exists_is_not_replaced(layers: OverlayLayers) -> None:
    put(layers)
    before = layers.path(CHAIN_ID).stat().st_ino
    put(layers)
    assert layers.path(CHAIN_ID).stat().st_ino == before


def test_a_staged_layer_that_failed_leaves_nothing(layers: OverlayLayers) -> None:
    staged_directories = []

    def fail() -> None:
        with layers.staging() as staged:
            staged_directories.append(staged)
            (staged / "file").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not staged_directories[0].exists()


def test_the_root_of_a_layer_is_open_to_all_unless_the_layer_says_otherwise(layers: OverlayLayers) -> None:
    with layers.staging() as staged:
        assert stat.S_IMODE(staged.stat().st_mode) == 0o755


def test_a_discarded_layer_is_gone_at_once_and_its_files_with_the_trash(layers: OverlayLayers) -> None:
    put(layers)
    layers.discard(CHAIN_ID)
    layers.discard(CHAIN_ID)
    assert CHAIN_ID not in layers
    assert len(list(layers.trash.iterdir())) == 1
    (layers.trash / "file").touch()
    (layers.trash / "link").symlink_to(layers.root)
    trees.empty(layers.trash)
    assert list(layers.trash.iterdir()) == []
    assert layers.root.exists()


def test_start_up_keeps_only_what_is_wanted(layers: OverlayLayers) -> None:
    other = digests.of(b"other")
    put(layers)
    put(layers, other)
    (layers.root / "staging" / "half").mkdir()
    layers.keep_only([CHAIN_ID])
    assert CHAIN_ID in layers
    assert other not in layers
    assert list((layers.root / "staging").iterdir()) == []


def test_an_image_is_described_by_its_layers_uppermost_first(layers: OverlayLayers) -> None:
    chain_ids = [digests.of(b"%d" % number) for number in range(3)]
    paths = [str(layers.path(chain_id)) for chain_id in chain_ids]
    assert layers.describe(chain_ids) == {
        "Name": "overlay2",
        "Data": {"UpperDir": paths[2], "LowerDir": f"{paths[1]}:{paths[0]}"},
    }
    assert layers.describe([]) == {"Name": "overlay2", "Data": {}}
