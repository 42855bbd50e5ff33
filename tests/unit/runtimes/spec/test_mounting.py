"""What clients write in Binds, Mounts and Tmpfs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import EngineError, InvalidParameter, NotImplementedHere
from daemon.model import BindOptions, HostConfig, Mount, TmpfsOptions
from daemon.runtimes.spec.mounting import BindMount, client_mounts, parse_bind
from daemon.runtimes.spec.tmpfs import TmpfsMount, merged


def test_a_bind_says_where_from_and_where_to() -> None:
    assert parse_bind("/a:/b") == BindMount("/a", "/b", create_source=True)


def test_a_bind_mode_has_at_most_one_word_on_each_subject() -> None:
    assert parse_bind("/a:/b:ro,z,rslave") == BindMount(
        "/a", "/b", read_only=True, propagation="rslave", create_source=True
    )
    for mode in ("ro,rw", "z,Z", "shared,slave", "ro,ro", "rubbish", "ro,"):
        with pytest.raises(InvalidParameter, match="invalid mode: "):
            parse_bind(f"/a:/b:{mode}")


def test_paths_are_written_in_their_shortest_form() -> None:
    assert parse_bind("//a/./b/:/c/../d/") == BindMount("/a/b", "/d", create_source=True)


@pytest.mark.parametrize("text", ["", ":", "/a:", ":/b", "/a:/b:ro:x"])
def test_a_malformed_bind_is_refused(text: str) -> None:
    with pytest.raises((InvalidParameter, NotImplementedHere)):
        parse_bind(text)


def test_a_bind_over_the_root_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="destination can't be '/'"):
        parse_bind("/a:/x/..")


def test_a_bind_to_a_relative_path_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="mount path must be absolute"):
        parse_bind("/a:b")


@pytest.mark.parametrize("text", ["name:/b", "/anonymous"])
def test_volumes_are_refused_by_name(text: str) -> None:
    with pytest.raises(NotImplementedHere, match="volumes are not supported yet"):
        parse_bind(text)


@given(st.text(alphabet=":/,.a\0roz ", max_size=30))
def test_any_bind_is_read_or_refused_with_a_reason(text: str) -> None:
    try:
        found = parse_bind(text)
    except EngineError:
        return
    assert found.target.startswith("/")
    assert found.target != "/"
    assert ".." not in found.target.split("/")


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        (Mount("bind", "/a", ""), "field Target must not be empty"),
        (Mount("bind", "", "/b"), "field Source must not be empty"),
        (Mount("bind", "/a", "/"), "destination can't be '/'"),
        (Mount("bind", "/a", "b"), "mount path must be absolute"),
        (Mount("bind", "/a", "/b", bind_options=BindOptions(propagation="x")), "invalid propagation mode: x"),
        (
            Mount("bind", "/a", "/b", tmpfs_options=TmpfsOptions(1)),
            "field TmpfsOptions must not be specified",
        ),
        (Mount("tmpfs", "/a", "/b"), "field Source must not be specified"),
        (
            Mount("tmpfs", "", "/b", bind_options=BindOptions("rshared")),
            "field BindOptions must not be specified",
        ),
        (Mount("rubbish", "/a", "/b"), "mount type unknown"),
    ],
)
def test_a_malformed_mount_is_refused_with_its_type(mount: Mount, reason: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        client_mounts(HostConfig(mounts=(mount,)))
    assert str(caught.value).startswith(f'invalid mount config for type "{mount.type}": ')
    assert reason in str(caught.value)


def test_two_mounts_at_one_place_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="Duplicate mount point: /b"):
        client_mounts(HostConfig(binds=("/a:/b",), mounts=(Mount("tmpfs", "", "/b/"),)))


def test_a_tmpfs_gives_way_to_a_bind_at_its_place() -> None:
    found = client_mounts(HostConfig(binds=("/a:/b",), tmpfs={"/b": ""}))
    assert found == (BindMount("/a", "/b", create_source=True),)


def test_options_of_a_mount_are_kept() -> None:
    options = BindOptions(propagation="shared", non_recursive=True, create_mountpoint=True)
    assert client_mounts(HostConfig(mounts=(Mount("bind", "/a", "/b", True, bind_options=options),))) == (
        BindMount("/a", "/b", True, recursive=False, propagation="shared", create_source=True),
    )


def test_a_tmpfs_has_size_mode_and_options() -> None:
    options = TmpfsOptions(4096, 0o1770, (("exec",), ("uid", "7")))
    mount = Mount("tmpfs", "", "/b", read_only=True, tmpfs_options=options)
    assert client_mounts(HostConfig(mounts=(mount,))) == (
        TmpfsMount("/b", ("exec", "nosuid", "nodev", "ro", "mode=1770", "size=4096", "uid=7")),
    )


def test_the_last_tmpfs_option_on_a_subject_counts() -> None:
    assert merged(["exec", "noexec", "size=1m", "size=2m"]) == ("noexec", "nosuid", "nodev", "size=2m")


@pytest.mark.parametrize(
    "option", ["", "rubbish", "size", "size=", "size=1m x", "mode=9", "exec=1", "uid=root"]
)
def test_an_unknown_tmpfs_option_is_refused(option: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid tmpfs option"):
        merged([option])
