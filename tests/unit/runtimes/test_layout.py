"""Where everything is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.runtimes.layout import Layout, fresh, write_private


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "data", tmp_path / "exec")


def test_what_must_survive_a_reboot_is_under_the_data_root(layout: Layout) -> None:
    lasting = [layout.container("c1"), layout.log("c1")]
    passing = [layout.bundle("c1"), layout.runtime_state, layout.exec_session("e1", "c1").directory]
    assert all(path.is_relative_to(layout.data_root) for path in lasting)
    assert all(path.is_relative_to(layout.exec_root) for path in passing)


def test_nobody_else_may_look_into_them(layout: Layout) -> None:
    layout.make()
    layout.make()  # again, at the next start
    assert [root.stat().st_mode & 0o777 for root in (layout.data_root, layout.exec_root)] == [0o711, 0o711]
    assert {
        path.stat().st_mode & 0o777
        for root in (layout.data_root, layout.exec_root)
        for path in root.iterdir()
    } == {0o700}


def test_the_monitor_of_a_run_is_in_its_bundle_and_named_after_its_container(layout: Layout) -> None:
    assert layout.monitor("c1").directory == layout.bundle("c1")
    assert (layout.monitor("c1").id, layout.exec_session("e1", "c1").id) == ("c1", "c1")


def test_a_fresh_directory_has_nothing_of_the_last_run(tmp_path: Path) -> None:
    bundle = tmp_path / "bundles" / "c1"
    for _ in range(2):
        fresh(bundle)
        assert [path.name for path in bundle.rglob("*")] == ["exit"]
        (bundle / "exit" / "c1").write_text("0")


def test_what_may_hold_secrets_is_for_root_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        fresh(tmp_path / "c1")
        write_private(tmp_path / "c1" / "config.json", b"{}")
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "c1", *sorted((tmp_path / "c1").iterdir()))]
    assert modes == [0o700, 0o600, 0o700]
