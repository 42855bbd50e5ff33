"""What a client's path means, before and after links are followed."""

from __future__ import annotations

import posixpath
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.copying import paths
from daemon.runtimes.inroot import open_in_root

LINKS = {
    "/ld": "/d",
    "/lf": "/d/f",
    "/dangling": "nowhere",
    "/up": "../../../../etc",
    "/chain": "ld/../lf",
    "/a": "/b",
    "/b": "/a",
}


@pytest.mark.parametrize(
    ("path", "absolute", "name", "resolved"),
    [
        ("/etc", "/etc", "etc", "/etc"),
        ("/etc/", "/etc/", "etc", "/etc"),
        ("/etc/.", "/etc/.", ".", "/etc"),
        ("etc/passwd", "/etc/passwd", "passwd", "/etc/passwd"),
        ("/", "/", "/", "/"),
        ("//", "/", "/", "/"),
        ("/.", "/.", ".", "/"),
        (".", "/.", ".", "/"),
        ("/d/..", "/", "/", "/"),
        ("/d/../d/f", "/d/f", "f", "/d/f"),
        ("/../../etc/passwd", "/etc/passwd", "passwd", "/etc/passwd"),
        ("/lf", "/lf", "lf", "/lf"),
        ("/ld/", "/ld/", "ld", "/d"),
        ("/ld/.", "/ld/.", ".", "/d"),
        ("/ld/f", "/ld/f", "f", "/d/f"),
        ("/up/passwd", "/up/passwd", "passwd", "/etc/passwd"),
        ("/dangling/x", "/dangling/x", "x", "/nowhere/x"),
    ],
)
def test_docker_reads_paths_so(path: str, absolute: str, name: str, resolved: str) -> None:
    found = paths.absolute(path)
    assert (found, paths.name(found), paths.resolved(found, LINKS.get)) == (absolute, name, resolved)


@pytest.mark.parametrize(
    ("path", "target"), [("/lf", "/d/f"), ("/dangling", "/nowhere"), ("/up", "/etc"), ("/chain", "/d/f")]
)
def test_a_link_leads_to_the_end_of_its_chain(path: str, target: str) -> None:
    assert paths.followed(path, LINKS.get) == target


def test_links_without_an_end_are_given_up() -> None:
    with pytest.raises(paths.TooManyLinks):
        paths.followed("/a", LINKS.get)


@given(st.text(alphabet="/.ab", max_size=12))
def test_an_absolute_path_is_clean_but_for_its_end(path: str) -> None:
    found = paths.absolute(path)
    assert posixpath.normpath(found) == found.removesuffix("/.").rstrip("/") or found in {"/", "/."}
    assert ".." not in found.split("/")


NAMES = st.sampled_from(["a", "b", "c", "..", "."])
TREE = {"a/b/c/f": None, "a/l": "../b", "b/l": "/a/b", "b/c/m": "../../../../a/l", "l": "b/c", "c": "l/m"}


@given(st.lists(st.sampled_from(["a", "b", "c", "f", "l", "m", ".."]), max_size=6))
def test_links_are_followed_as_the_kernel_does(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    root = _made(tmp_path_factory.getbasetemp() / "tree")

    def read_link(path: str) -> str | None:
        try:
            return str((root / path.lstrip("/")).readlink())
        except OSError:
            return None

    import os

    path = "/" + "/".join(parts)
    try:
        kernel = open_in_root(root, path, os.O_PATH)
    except OSError:
        return  # what is not there has no place to compare
    try:
        place = os.readlink(f"/proc/self/fd/{kernel}")
    finally:
        os.close(kernel)
    assert os.path.normpath(f"{root}{paths.followed(path, read_link)}") == place


def _made(root: Path) -> Path:
    if not root.exists():
        for name, target in TREE.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if target is None:
                path.write_text("")
            else:
                path.symlink_to(target)
    return root
