"""What images are made without an engine hold."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from benchmarks.filetrees import Shape, content, layer
from benchmarks.madeimages import make_layer, small_layers, write_archive
from benchmarks.registry import gzipped

SHAPE = Shape(files=120, content_bytes=2_000_000, seed=7)


def test_a_layer_is_a_tar_of_the_files_asked_for() -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(layer(SHAPE)))) as tar:
        files = [member for member in tar if member.isfile()]
        assert len(files) == 120
        assert 1_990_000 < sum(member.size for member in files) <= 2_000_000
        assert sum(member.isdir() for member in tar) == 3


def test_a_layer_is_the_same_each_time_and_no_other() -> None:
    again = Shape(files=120, content_bytes=2_000_000, seed=7)
    assert b"".join(layer(SHAPE)) == b"".join(layer(again))
    assert b"".join(layer(SHAPE)) != b"".join(layer(Shape(120, 2_000_000, seed=8)))


def test_content_is_about_as_compressible_as_that_of_a_distribution(tmp_path: Path) -> None:
    (file := tmp_path / "content").write_bytes(content(4_000_000, seed=1))
    packed = b"".join(gzipped(file))
    assert gzip.decompress(packed) == file.read_bytes()
    assert 0.35 < len(packed) / 4_000_000 < 0.55


def test_an_archive_has_a_config_with_the_digests_of_its_layers(tmp_path: Path) -> None:
    layers = [make_layer(tmp_path, Shape(10, 10_000, seed)) for seed in (1, 2)]
    write_archive(tmp_path / "archive.tar", "made", layers)
    with tarfile.open(tmp_path / "archive.tar") as tar:
        held = {member.name: tar.extractfile(member) for member in tar}
        contents = {name: file.read() for name, file in held.items() if file}
    (manifest,) = json.loads(contents["manifest.json"])
    assert manifest["RepoTags"] == ["made:latest"]
    stated = json.loads(contents[manifest["Config"]])["rootfs"]["diff_ids"]
    assert stated == [f"sha256:{hashlib.sha256(contents[place]).hexdigest()}" for place in manifest["Layers"]]


def test_small_layers_differ_and_stand_on_the_base(tmp_path: Path) -> None:
    layers = small_layers(tmp_path, b"base", 5)
    assert len({one.diff_id for one in layers}) == 5
    assert layers[0].tar.read_bytes() == b"base"
