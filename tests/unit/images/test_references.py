from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import InvalidParameter
from daemon.images import references

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("typed", "canonical", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/busybox:1", "docker.io/library/busybox:1", "busybox:1"),
        ("index.docker.io/library/busybox", "docker.io/library/busybox", "busybox"),
        ("me/box:v1.2", "docker.io/me/box:v1.2", "me/box:v1.2"),
        ("docker.io/library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/x", "localhost/x", "localhost/x"),
        ("host:5000/x:y", "host:5000/x:y", "host:5000/x:y"),
        ("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"),
        ("quay.io/a__b/c-d.e", "quay.io/a__b/c-d.e", "quay.io/a__b/c-d.e"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}", f"busybox@{DIGEST}"),
        (f"x:1@{DIGEST}", f"docker.io/library/x:1@{DIGEST}", f"x:1@{DIGEST}"),
    ],
)
def test_a_reference_has_one_canonical_and_one_familiar_form(
    typed: str, canonical: str, familiar: str
) -> None:
    reference = references.parse(typed)
    assert (reference.canonical, reference.familiar) == (canonical, familiar)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        ":",
        "a:",
        "a:b:c",
        "a//b",
        "/a",
        "a/",
        "a@",
        "a@sha256:12",
        "-a",
        "a..b",
        "a:-t",
        "a b",
        "é",
        "a\n",
    ],
)
def test_what_is_no_reference_is_refused(typed: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid reference format"):
        references.parse(typed)


def test_capitals_get_a_hint() -> None:
    with pytest.raises(InvalidParameter, match=r"repository name \(library/Box\) must be lowercase"):
        references.parse("Box")


def test_a_whole_id_cannot_be_a_name() -> None:
    with pytest.raises(InvalidParameter, match="64-byte hexadecimal"):
        references.parse("a" * 64)


def test_a_name_has_a_greatest_length() -> None:
    with pytest.raises(InvalidParameter, match="must not be more than 255"):
        references.parse("a/" + "b" * 255)


def test_the_default_tag_is_latest() -> None:
    assert references.parse("a").tagged.tag == "latest"
    assert references.parse(f"a@{DIGEST}").tagged.tag == ""


@pytest.mark.parametrize(
    ("repository", "tag", "text"),
    [
        (f"a@{DIGEST}", "", "refusing to create a tag with a digest reference"),
        ("sha256", "x", "refusing to create an ambiguous tag"),
        ("a", "-", "invalid tag format"),
        ("A", "", "invalid reference format"),
    ],
)
def test_names_that_cannot_be_given_are_refused(repository: str, tag: str, text: str) -> None:
    with pytest.raises(InvalidParameter, match=text):
        references.for_tagging(repository, tag)


def test_the_tag_beside_the_repository_wins() -> None:
    assert references.for_tagging("a:1", "2").familiar == "a:2"


@given(st.text())
def test_any_text_is_a_reference_or_refused(typed: str) -> None:
    try:
        reference = references.parse(typed)
    except InvalidParameter:
        return
    assert references.parse(reference.canonical) == reference
    assert references.parse(reference.familiar) == reference


@given(st.from_regex(r"[a-c./:@_-]{1,12}", fullmatch=True))
def test_nearly_right_texts_keep_their_meaning_when_written_out(typed: str) -> None:
    try:
        reference = references.parse(typed)
    except InvalidParameter:
        return
    assert references.parse(reference.canonical) == reference
    assert references.parse(reference.familiar) == reference
