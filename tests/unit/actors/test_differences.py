"""What of a container's changes is its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.actors.container.differences import PLACES, untouched_in, visible
from daemon.archives.changes import Change, Kind

ADDED, MODIFIED, DELETED = Kind.ADDED, Kind.MODIFIED, Kind.DELETED


def changes(**kinds: Kind) -> tuple[Change, ...]:
    return tuple(Change(path, kind) for path, kind in kinds.items())


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"/etc": MODIFIED, "/etc/hosts": ADDED, "/etc/hostname": ADDED}, []),
        ({"/etc": ADDED, "/etc/hosts": ADDED}, []),
        ({"/proc": ADDED, "/sys": ADDED, "/dev": ADDED}, []),
        ({"/etc": MODIFIED, "/etc/hosts": ADDED, "/etc/x": ADDED}, ["/etc", "/etc/x"]),
        ({"/etc": MODIFIED, "/etc/hosts": MODIFIED}, ["/etc", "/etc/hosts"]),
        ({"/etc": MODIFIED}, ["/etc"]),
        ({"/mnt": ADDED, "/mnt/data": ADDED}, ["/mnt", "/mnt/data"]),
    ],
)
def test_places_for_the_engines_mounts_are_not_the_containers_doing(
    found: dict[str, Kind], expected: list[str]
) -> None:
    assert [change.path for change in visible(changes(**found), lambda _: True)] == expected


def test_what_is_not_empty_was_put_there(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text("somebody's")
    (tmp_path / "etc/hostname").touch()
    found = changes(**{"/etc": MODIFIED, "/etc/hostname": ADDED, "/etc/hosts": ADDED})
    assert [change.path for change in visible(found, untouched_in(tmp_path))] == ["/etc", "/etc/hosts"]


@pytest.mark.parametrize(
    ("target", "expected"), [("/proc/mounts", []), ("/proc/self/mounts", ["/etc", "/etc/mtab"])]
)
def test_a_link_to_what_is_mounted_is_the_engines(tmp_path: Path, target: str, expected: list[str]) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/mtab").symlink_to(target)
    found = changes(**{"/etc": MODIFIED, "/etc/mtab": ADDED})
    assert [change.path for change in visible(found, untouched_in(tmp_path))] == expected


def test_a_file_in_the_place_of_the_link_was_put_there(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/mtab").touch()
    found = changes(**{"/etc": MODIFIED, "/etc/mtab": ADDED})
    assert [change.path for change in visible(found, untouched_in(tmp_path))] == ["/etc", "/etc/mtab"]


def test_a_link_in_the_container_is_not_followed_to_the_host(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/hosts").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "etc").symlink_to(tmp_path / "outside")
    assert not untouched_in(root)("/etc/hosts")


PATHS = st.sampled_from(["/etc", "/etc/hosts", "/etc/x", "/x", "/x/y", "/dev", "/proc", "/etc/hostname"])


@given(st.dictionaries(PATHS, st.sampled_from(Kind)), st.booleans())
def test_nothing_is_lost_but_places_and_directories_of_places(found: dict[str, Kind], empty: bool) -> None:
    kept = visible(changes(**found), lambda _: empty)
    lost = set(found) - {change.path for change in kept}
    assert lost <= PLACES | {"/etc"}
    assert empty or not lost
    assert all(found[path] is ADDED for path in lost & PLACES)
