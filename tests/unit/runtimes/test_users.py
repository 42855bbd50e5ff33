"""Users of a container, and the files they are looked up in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.errors import InvalidParameter
from daemon.runtimes.users import LARGEST_FILE_BYTES, ResolvedUser, find_user, resolve_user


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    etc = tmp_path / "root" / "etc"
    etc.mkdir(parents=True)
    (etc / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nbroken line\nu:x:1000:100::/home/u:\n5:x:7:7::/five:\n"
    )
    (etc / "group").write_text("root:x:0:\nwheel:x:10:root,u\nusers:x:100:\nvideo:x:44:u\n")
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", ResolvedUser(0, 0, (0, 10), "/root")),
        ("root", ResolvedUser(0, 0, (0, 10), "/root")),
        ("u", ResolvedUser(1000, 100, (100, 10, 44), "/home/u")),
        ("1000", ResolvedUser(1000, 100, (100, 10, 44), "/home/u")),
        ("1000:44", ResolvedUser(1000, 44, (44,), "/home/u")),
        ("u:video", ResolvedUser(1000, 44, (44,), "/home/u")),
        ("4242", ResolvedUser(4242, 0, (0,), "/")),
        ("4242:4343", ResolvedUser(4242, 4343, (4343,), "/")),
        ("5", ResolvedUser(7, 7, (7,), "/five")),
    ],
)
def test_a_user_may_be_named_in_every_way_docker_knows(
    rootfs: Path, user: str, expected: ResolvedUser
) -> None:
    assert resolve_user(rootfs, user) == expected


def test_groups_can_be_added_by_name_and_number(rootfs: Path) -> None:
    assert resolve_user(rootfs, "u:users", ("video", "4711", "100")).groups == (100, 44, 4711)


def test_an_unknown_user_is_an_error_with_dockers_text(rootfs: Path) -> None:
    with pytest.raises(InvalidParameter) as caught:
        resolve_user(rootfs, "no-such-user")
    assert str(caught.value) == "unable to find user no-such-user: no matching entries in passwd file"


@pytest.mark.parametrize(("user", "added"), [("u:nope", ()), ("u", ("nope",))])
def test_an_unknown_group_is_an_error_with_dockers_text(
    rootfs: Path, user: str, added: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        resolve_user(rootfs, user, added)
    assert str(caught.value) == "unable to find group nope: no matching entries in group file"


@pytest.mark.parametrize("number", ["2147483648", "9" * 5000, "0:99999999999"])
def test_a_number_out_of_range_is_refused(rootfs: Path, number: str) -> None:
    with pytest.raises(InvalidParameter, match="uids and gids must be in range 0-2147483647"):
        resolve_user(rootfs, number)


async def test_an_image_without_the_files_has_root_and_numbers(tmp_path: Path) -> None:
    assert await find_user(tmp_path, "") == ResolvedUser()
    assert await find_user(tmp_path, "12:13") == ResolvedUser(12, 13, (13,), "/")


def test_a_link_out_of_the_root_stays_inside(rootfs: Path, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("evil:x:666:666::/:\n")
    (rootfs / "etc/passwd").unlink()
    (rootfs / "etc/passwd").symlink_to("../../passwd")
    with pytest.raises(InvalidParameter, match="unable to find user evil"):
        resolve_user(rootfs, "evil")


def test_a_fifo_in_place_of_the_file_does_not_block(rootfs: Path) -> None:
    (rootfs / "etc/passwd").unlink()
    os.mkfifo(rootfs / "etc/passwd")
    assert resolve_user(rootfs, "7") == ResolvedUser(7, 0, (0,), "/")


def test_an_endless_file_is_refused(rootfs: Path) -> None:
    with (rootfs / "etc/passwd").open("wb") as file:
        file.truncate(LARGEST_FILE_BYTES + 1)
    with pytest.raises(InvalidParameter, match="larger than"):
        resolve_user(rootfs, "u")


@given(st.binary(max_size=200), st.text(max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_file_and_any_user_give_an_answer_or_a_reason(rootfs: Path, content: bytes, user: str) -> None:
    (rootfs / "etc/passwd").write_bytes(content)
    (rootfs / "etc/group").write_bytes(content)
    try:
        found = resolve_user(rootfs, user)
    except InvalidParameter:
        return
    assert 0 <= found.uid < 2**31
    assert found.groups[0] == found.gid
