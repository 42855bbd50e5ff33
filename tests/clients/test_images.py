"""Images: in, out, named, listed and removed, as `docker` does it."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator

import pytest

from tests.clients.cli import Docker
from tests.clients.engine import Engine, until
from tests.clients.registries.shelves import tar_of


@pytest.fixture
def images(docker: Docker) -> Iterator[Docker]:
    """The CLI, and afterwards no image but the busybox there was."""
    before = docker("images", "--all", "--quiet", "--no-trunc").out.split()
    yield docker
    docker.remove_all()
    for name in set(docker("images", "--format", "{{.Repository}}:{{.Tag}}").lines) - {"busybox:latest"}:
        if "<none>" not in name:
            docker("rmi", "--force", name)
    for image in set(docker("images", "--all", "--quiet", "--no-trunc").out.split()) - set(before):
        docker("rmi", "--force", image)


def image_id(docker: Docker, name: str) -> str:
    return str(docker.inspect(name)["Id"])


def test_an_image_survives_save_and_load(images: Docker) -> None:
    saved = images("save", "busybox").stdout
    before = image_id(images, "busybox")
    images("tag", "busybox", "kept")
    images("rmi", "busybox")
    images("rmi", "kept")
    assert "Loaded image: busybox:latest" in images("load", stdin=saved).out
    assert image_id(images, "busybox") == before
    assert images.run("busybox", "echo", "works").out == "works\n"


def test_a_compressed_archive_is_loaded(images: Docker) -> None:
    saved = images("save", "busybox").stdout
    assert "Loaded image" in images("load", stdin=gzip.compress(saved, 1)).out


def test_several_images_go_into_one_archive(images: Docker) -> None:
    images("import", "-", "second:v1", stdin=tar_of(file=b"x"))
    saved = images("save", "busybox", "second:v1").stdout
    images("rmi", "second:v1")
    images("load", stdin=saved)
    assert image_id(images, "second:v1")


def test_the_name_of_a_repository_saves_all_its_tags(images: Docker) -> None:
    for tag in ("v1", "v2"):
        images("import", "-", f"many:{tag}", stdin=tar_of(file=tag.encode()))
    ids = {tag: image_id(images, f"many:{tag}") for tag in ("v1", "v2")}
    saved = images("save", "many").stdout
    images("rmi", "many:v1", "many:v2")
    images("load", stdin=saved)
    assert {tag: image_id(images, f"many:{tag}") for tag in ids} == ids


def test_an_import_is_for_the_platform_it_is_said_to_be_for(images: Docker) -> None:
    images("import", "--platform", "linux/arm/v6", "-", "foreign", stdin=tar_of(file=b"x"))
    found = images.inspect("foreign")
    assert (found["Os"], found["Architecture"], found["Variant"]) == ("linux", "arm", "v6")


def test_import_takes_changes(images: Docker) -> None:
    changes = (
        "--change",
        'ENTRYPOINT ["/cat"]',
        "--change",
        "ENV A=b",
        "--change",
        "LABEL k=v",
        "--change",
        "USER 5",
    )
    images("import", *changes, "--message", "made by hand", "-", "mine", stdin=tar_of(cat=b"x"))
    config = images.inspect("mine")["Config"]
    assert (config["Entrypoint"], config["User"], config["Labels"]) == (["/cat"], "5", {"k": "v"})
    assert "A=b" in config["Env"]
    assert "made by hand" in images("history", "mine", "--no-trunc").out


def test_history_has_a_line_for_each_layer(images: Docker) -> None:
    rows = [json.loads(line) for line in images("history", "busybox", "--format", "{{json .}}").lines]
    assert len(rows) == 1


def test_a_tag_is_another_name_of_the_same(images: Docker) -> None:
    images("tag", "busybox", "registry.example:5000/team/box:v1")
    assert image_id(images, "registry.example:5000/team/box:v1") == image_id(images, "busybox")
    listed = images("images", "--format", "{{.Repository}}:{{.Tag}}").lines
    assert "registry.example:5000/team/box:v1" in listed


def test_removing_one_of_two_names_only_untags(images: Docker) -> None:
    images("tag", "busybox", "other")
    result = images("rmi", "other")
    assert result.lines == ["Untagged: other:latest"]
    assert images.run("busybox", "true").code == 0


def test_removing_the_last_name_deletes(images: Docker) -> None:
    images("import", "-", "short", stdin=tar_of(file=b"unique"))
    digest = image_id(images, "short")
    lines = images("rmi", "short").lines
    assert lines[0] == "Untagged: short:latest"
    assert f"Deleted: {digest}" in lines
    assert "No such image" in images("image", "inspect", "short", ok=False).err


def test_an_image_in_use_is_not_deleted(images: Docker) -> None:
    container = images("create", "busybox").out.strip()
    refused = images("rmi", "busybox", ok=False)
    assert "unable to remove repository reference" in refused.err or "unable to delete" in refused.err
    assert container[:12] in refused.err
    assert images.run("busybox", "true").code == 0


def test_an_image_of_a_running_container_is_not_deleted_even_by_force(images: Docker) -> None:
    images.sleeper()
    refused = images("rmi", "--force", image_id(images, "busybox"), ok=False)
    assert "image is being used by running container" in refused.err


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ("reference=busy*", {"busybox"}),
        ("dangling=true", set()),
        ("label=k", {"labelled"}),
        ("label=k=other", set()),
        ("before=labelled", {"busybox"}),
    ],
)
def test_images_can_be_filtered(images: Docker, filter_: str, expected: set[str]) -> None:
    images("import", "--change", "LABEL k=v", "-", "labelled", stdin=tar_of(file=b"z"))
    assert set(images("images", "--filter", filter_, "--format", "{{.Repository}}").lines) == expected


def test_an_unknown_image_is_named(images: Docker) -> None:
    assert "No such image: nope" in images("image", "inspect", "nope", ok=False).err
    assert "No such image: nope" in images("rmi", "nope", ok=False).err
    result = images.run("--pull=never", "nope", ok=False)
    assert (result.code, "No such image: nope:latest" in result.err) == (125, True)


@pytest.mark.parametrize(
    "damage", ["truncated", "corrupt", "not a tar", "no tar and long", "empty tar", "gzip cut off"]
)
def test_a_damaged_archive_is_refused_and_leaves_nothing(images: Docker, damage: str) -> None:
    before = images("images", "--all", "--quiet").lines
    saved = images("save", "busybox").stdout
    middle = len(saved) // 2
    damaged = {
        "truncated": saved[:middle],
        "corrupt": saved[:middle] + b"\0" * 4096 + saved[middle + 4096 :],
        "not a tar": b"hello\n" * 1000,
        "no tar and long": b"hello\n" * (2 << 20),  # given up long before all of it is sent
        "empty tar": tar_of(),
        "gzip cut off": gzip.compress(saved, 1)[:100_000],
    }[damage]
    images("rmi", "busybox")
    try:
        refused = images("load", stdin=damaged, ok=False)
        assert (refused.code, "invalid" in refused.err) == (1, True), refused.err
        assert images("images", "--all", "--quiet").lines == []
    finally:
        images("load", stdin=saved)
    assert images("images", "--all", "--quiet").lines == before


def test_a_client_that_leaves_in_the_middle_of_an_archive_leaves_nothing(
    images: Docker, engine: Engine
) -> None:
    saved, spool = images("save", "busybox").stdout, engine.root / "data" / "spool"
    head = f"POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: {len(saved)}\r\n\r\n"
    with engine.connect() as connection:
        connection.sendall(head.encode() + saved[: len(saved) // 2])
        until(lambda: any(any(parts.iterdir()) for parts in spool.iterdir()), "it is being taken apart")
    until(lambda: not any(spool.iterdir()), "it is thrown away")


def test_a_config_that_is_not_what_its_name_says_is_refused(images: Docker) -> None:
    layer = tar_of(file=b"x")
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]},
        }
    ).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": ["forged:v1"], "Layers": ["layer.tar"]}]).encode()
    archive = tar_of(**{name: config, "layer.tar": layer, "manifest.json": manifest})
    images("load", stdin=archive, ok=False)
    assert images("image", "inspect", "forged:v1", ok=False).code == 1
