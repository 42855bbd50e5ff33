from __future__ import annotations

import base64
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.actors.recovery.aside import Aside
from daemon.actors.recovery.known import Damaged


def damaged(body: bytes = b"{", record_id: str = "sha256:12", kind: str = "image") -> Damaged:
    return Damaged(kind, record_id, body, ("docker.io/library/a:b",), "why")


def test_a_record_lies_there_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    path = Aside(tmp_path / "damaged").put(damaged())
    assert orjson.loads(path.read_bytes()) == {
        "kind": "image",
        "id": "sha256:12",
        "names": ["docker.io/library/a:b"],
        "reason": "why",
        "body": "{",
    }
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_what_is_no_text_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path = Aside(tmp_path).put(damaged(b"\xff\x00"))
    assert base64.b64decode(orjson.loads(path.read_bytes())["body_base64"]) == b"\xff\x00"


def test_the_same_damage_has_one_file_and_another_has_its_own(tmp_path: Path) -> None:
    aside = Aside(tmp_path)
    assert aside.put(damaged(b"1")) == aside.put(damaged(b"1")) != aside.put(damaged(b"2"))
    assert len(list(tmp_path.iterdir())) == 2


def test_without_any_damage_there_is_no_directory(tmp_path: Path) -> None:
    assert Aside(tmp_path / "damaged").ids("image") == frozenset()


@given(st.text(max_size=10))
def test_a_file_tells_whose_it_is_whatever_the_id(
    tmp_path_factory: pytest.TempPathFactory, record_id: str
) -> None:
    aside = Aside(tmp_path_factory.mktemp("aside"))
    path = aside.put(damaged(record_id=record_id))
    aside.put(damaged(record_id="other", kind="exec"))
    assert path.parent == aside.directory
    assert aside.ids("image") == {record_id}


def test_an_id_of_any_length_has_a_file(tmp_path: Path) -> None:
    assert Aside(tmp_path).put(damaged(record_id="é" * 5000)).exists()
