"""What an image that is made of a container says of itself, and its layer as a blob."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import attrs
import orjson

from daemon.api.docker.commit import resulting
from daemon.images import documents
from daemon.images.changes import apply_changes
from daemon.images.committing import Description
from daemon.images.layerfile import write_layer
from daemon.model import Config, Healthcheck
from tests.unit.images import tars

PARENT = tars.brought("parent", "parent:1", created="2020-01-01T00:00:00Z").document
CONTAINER = Config(cmd=("sh", "-c", "true"), env=("A=1", "B=2"), labels={"x": "y"}, working_dir="/root")
DESCRIPTION = Description(CONTAINER, "c" * 64, CONTAINER, "me", "why", 1_600_000_000_000_000_000)


def changes(*instructions: str) -> Callable[[Config], Config]:
    return lambda config: apply_changes(config, instructions)


def test_it_goes_on_where_its_parent_ends() -> None:
    diff_id = "sha256:" + "d" * 64
    made = documents.read_image(DESCRIPTION.document(PARENT, diff_id))
    assert made.diff_ids == (*PARENT.diff_ids, diff_id)
    assert made.history[:-1] == PARENT.history
    last = made.history[-1]
    assert (last.created_by, last.comment, last.empty_layer) == ("sh -c true", "why", False)
    assert (made.architecture, made.os, made.author, made.comment) == (
        PARENT.architecture,
        PARENT.os,
        "me",
        "why",
    )
    assert documents.read_origin(made.raw) == ("c" * 64, CONTAINER)


def test_without_changes_it_has_no_layer_of_its_own() -> None:
    made = documents.read_image(DESCRIPTION.document(PARENT, None))
    assert made.diff_ids == PARENT.diff_ids
    assert made.history[-1].empty_layer


def test_where_an_image_comes_from_need_not_make_sense() -> None:
    document = orjson.loads(PARENT.raw) | {"container": 1, "container_config": {"Env": 1}}
    assert documents.read_origin(orjson.dumps(document)) == ("", Config())


def test_the_clients_config_wins_over_the_containers() -> None:
    given = Config(env=("Z=1", "A=7"), labels={"n": "m"}, healthcheck=Healthcheck(retries=3))
    made = resulting(given, CONTAINER, changes("USER u"))
    assert made == attrs.evolve(
        given,
        env=("Z=1", "A=7", "B=2"),
        labels={"x": "y", "n": "m"},
        cmd=CONTAINER.cmd,
        working_dir="/root",
        user="u",
    )


def test_without_one_it_is_the_containers_changed() -> None:
    made = resulting(Config(), CONTAINER, changes('ENTRYPOINT ["/x"]', "ENV B=9$A C=3"))
    assert (made.entrypoint, made.cmd, made.env) == (("/x",), None, ("A=1", "B=91", "C=3"))


def test_an_empty_command_takes_that_of_a_container_with_an_entrypoint_away() -> None:
    container = attrs.evolve(CONTAINER, entrypoint=("/e",))
    made = resulting(Config(), container, changes("CMD []"))
    assert (made.entrypoint, made.cmd) == (("/e",), ())


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def test_a_layer_is_written_with_both_its_digests(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    written = await write_layer(tmp_path / "blob", pieces(content[:1000], content[1000:]))
    blob = written.path.read_bytes()
    assert gzip.decompress(blob) == content
    assert written.diff_id == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert written.digest == f"sha256:{hashlib.sha256(blob).hexdigest()}"
    assert written.size_bytes == len(blob) < len(content)
