"""Archives that were taken apart already: what they say they hold, and how they may lie."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.archives.sandbox import Archive, Member
from daemon.errors import InvalidParameter
from daemon.images import documents, plan, platforms
from daemon.images.platforms import Platform
from tests.unit.images import tars
from tests.unit.images.test_documents import JSON

LAYER = b"a layer"


def taken_apart(archive: bytes, directory: Path) -> Archive:
    members = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for number, header in enumerate(opened.getmembers()):
            reader = opened.extractfile(header)
            assert reader is not None
            content = reader.read()
            path = directory / str(number)
            path.write_bytes(content)
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            members[header.name] = Member(path, len(content), digest)
    return Archive(members)


async def test_a_docker_archive_names_its_images(tmp_path: Path) -> None:
    archive = taken_apart(tars.docker_archive([LAYER], ["box:1", "me/box"]), tmp_path)
    (image,) = await plan.read_plan(archive)
    assert [tag.familiar for tag in image.tags] == ["box:1", "me/box:latest"]
    assert [layer.digest for layer in image.layers] == list(image.document.diff_ids)


async def test_a_layout_names_its_image_in_an_annotation(tmp_path: Path) -> None:
    archive = taken_apart(tars.layout([LAYER], io_containerd_image_name="docker.io/library/box:2"), tmp_path)
    (image,) = await plan.read_plan(archive)
    assert [tag.familiar for tag in image.tags] == ["box:2"]
    assert image.manifest


async def test_a_bare_tag_in_a_layout_names_nothing(tmp_path: Path) -> None:
    archive = taken_apart(tars.files({}), tmp_path)
    index = {"manifests": [{"annotations": {plan.REF_ANNOTATION: "latest"}}]}
    assert plan._name(index["manifests"][0]["annotations"]) == ()
    assert archive.members == {}


async def test_an_empty_save_loads_nothing(tmp_path: Path) -> None:
    archive = taken_apart(tars.files({"manifest.json": b"null"}), tmp_path)
    assert await plan.read_plan(archive) == ()


@pytest.mark.parametrize(
    ("archive", "text"),
    [
        (tars.files({"x": b""}), "neither a manifest.json nor an index.json"),
        (tars.files({"manifest.json": b"{}"}), "must be a JSON array"),
        (tars.files({"manifest.json": b"[1]"}), "made of JSON objects"),
        (tars.files({"manifest.json": b"[{}]"}), "which is not in it"),
        (tars.files({"manifest.json": orjson.dumps([{}] * 1001)}), "more than 1000 images"),
        (tars.files({"index.json": orjson.dumps({"manifests": [{}] * 1001})}), "more than 1000 images"),
        (tars.docker_archive([LAYER], Config="../../etc/passwd"), "which is not in it"),
        (tars.docker_archive([LAYER], Config="/etc/passwd"), "which is not in it"),
        (tars.docker_archive([LAYER], Layers=["../../../etc/passwd"]), "which is not in it"),
        (tars.docker_archive([LAYER], Layers=[]), "layers length mismatch: expected 1, got 0"),
        (
            tars.docker_archive([LAYER], Layers=["0/layer.tar"] * 2),
            "layers length mismatch: expected 1, got 2",
        ),
        (tars.docker_archive([LAYER], ["Not A Tag"]), "invalid reference format"),
        (tars.docker_archive([LAYER], [f"box@sha256:{'0' * 64}"]), "is no tag"),
        (tars.docker_archive([LAYER], RepoTags=[1]), "must be strings"),
        (tars.docker_archive([LAYER], RepoTags="x"), "must be a JSON array"),
        (tars.files({"index.json": b"[]"}), "must be a JSON object"),
        (tars.files({"index.json": b'{"manifests":[{}]}'}), "not a descriptor"),
        (tars.layout([LAYER], []), "layers length mismatch: expected 1, got 0"),
    ],
)
async def test_an_archive_that_contradicts_itself_is_refused(
    archive: bytes, text: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidParameter, match=text):
        await plan.read_plan(taken_apart(archive, tmp_path))


async def test_a_blob_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    archive = taken_apart(tars.layout([LAYER]), tmp_path)
    members = dict(archive.members)
    name = f"blobs/sha256/{hashlib.sha256(LAYER).hexdigest()}"
    members[name] = Member(members[name].path, len(LAYER), "sha256:" + "0" * 64)
    with pytest.raises(InvalidParameter, match="digest mismatch"):
        await plan.read_plan(Archive(members))


async def test_a_document_that_is_too_large_is_not_even_opened(tmp_path: Path) -> None:
    huge = Member(tmp_path / "none", 1 << 40, "sha256:" + "0" * 64)
    with pytest.raises(InvalidParameter, match="larger than"):
        await plan.read_plan(Archive({"manifest.json": huge}))


def nested(tmp_path: Path, depth: int, entries: list[dict[str, Any]]) -> Archive:
    archive = taken_apart(tars.layout([LAYER]), tmp_path)
    members = dict(archive.members)
    for level in range(depth):
        content = orjson.dumps({"manifests": entries})
        digest = hashlib.sha256(content).hexdigest()
        path = tmp_path / f"index{level}"
        path.write_bytes(content)
        members[f"blobs/sha256/{digest}"] = Member(path, len(content), f"sha256:{digest}")
        entries = [{"mediaType": documents.OCI_INDEX, "digest": f"sha256:{digest}", "size": len(content)}]
    path = tmp_path / "top"
    path.write_bytes(orjson.dumps({"manifests": entries}))
    members["index.json"] = Member(path, path.stat().st_size, "sha256:" + "0" * 64)
    return Archive(members)


def manifest_entry(tmp_path: Path) -> dict[str, Any]:
    archive = taken_apart(tars.layout([LAYER]), tmp_path)
    entry: dict[str, Any] = orjson.loads(archive.members["index.json"].path.read_bytes())["manifests"][0]
    return entry


async def test_an_index_gives_the_image_for_this_machine(tmp_path: Path) -> None:
    entry = manifest_entry(tmp_path)
    foreign = entry | {"digest": "sha256:" + "1" * 64, "platform": {"architecture": "z80", "os": "linux"}}
    windows = foreign | {"platform": {"os": "windows"}}
    own = entry | {"platform": {"architecture": platforms.host().architecture, "os": "linux"}}
    (image,) = await plan.read_plan(nested(tmp_path, 1, [windows, foreign, own]))
    assert len(image.layers) == 1


async def test_an_index_gives_the_image_for_the_platform_asked_for(tmp_path: Path) -> None:
    entry = manifest_entry(tmp_path)
    own = entry | {"platform": {"architecture": "amd64", "os": "linux"}}
    foreign = entry | {"digest": "sha256:" + "1" * 64, "platform": {"architecture": "z80", "os": "linux"}}
    archive = nested(tmp_path, 1, [foreign, own])
    assert len(await plan.read_plan(archive, Platform("linux", "amd64"))) == 1
    with pytest.raises(InvalidParameter, match="no image for linux/s390x"):
        await plan.read_plan(archive, Platform("linux", "s390x"))


async def test_an_archive_for_another_platform_is_refused(tmp_path: Path) -> None:
    archive = taken_apart(tars.docker_archive([LAYER]), tmp_path)
    assert len(await plan.read_plan(archive, Platform("linux", "amd64"))) == 1
    with pytest.raises(InvalidParameter, match=r"is for linux/amd64, not .* \(linux/arm64\)"):
        await plan.read_plan(archive, Platform("linux", "arm64"))


async def test_indexes_within_indexes_end_somewhere(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="nested too deeply"):
        await plan.read_plan(nested(tmp_path, 6, [manifest_entry(tmp_path)]))


async def test_an_index_without_an_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no image for linux"):
        await plan.read_plan(nested(tmp_path, 1, [{"platform": {"os": "windows"}}]))


@given(JSON, st.sampled_from(["manifest.json", "index.json"]))
def test_any_document_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, document: Any, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "document"
    path.write_bytes(orjson.dumps(document))
    member = Member(path, path.stat().st_size, "sha256:" + "0" * 64)
    with contextlib.suppress(InvalidParameter):
        plan._read_plan(Archive({name: member}), None)
