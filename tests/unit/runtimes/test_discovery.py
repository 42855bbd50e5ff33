"""Which runtimes are offered, and which is the default."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from daemon.errors import InvalidParameter, RuntimeFailed
from daemon.runtimes.discovery import Which, discover, find_conmon
from daemon.settings import ConfiguredRuntime, Settings
from daemon.startup import MissingProgram

BOTH = {"crun": "/usr/bin/crun", "runc": "/usr/sbin/runc"}


def installed(programs: Mapping[str, str]) -> Which:
    return programs.get


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A cgroup root that is not hybrid."""
    return tmp_path


@pytest.fixture
def hybrid(tmp_path: Path) -> Path:
    """A cgroup root whose v2 tree still has a controller."""
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.controllers").write_text("hugetlb\n")
    return tmp_path


def test_crun_is_the_default_where_it_works(plain: Path) -> None:
    table = discover(Settings(), which=installed(BOTH), cgroup_root=plain)
    assert (table.default, table.path_of("")) == ("crun", Path("/usr/bin/crun"))
    assert table.path_of("runc") == Path("/usr/sbin/runc")


def test_runc_is_the_default_where_crun_refuses_the_cgroups(hybrid: Path) -> None:
    assert discover(Settings(), which=installed(BOTH), cgroup_root=hybrid).default == "runc"


def test_a_hybrid_host_without_controllers_left_is_crun_s(hybrid: Path) -> None:
    (hybrid / "unified" / "cgroup.controllers").write_text("\n")
    assert discover(Settings(), which=installed(BOTH), cgroup_root=hybrid).default == "crun"


@pytest.mark.parametrize("name", ["crun", "runc"])
def test_the_only_runtime_installed_is_the_default(name: str, hybrid: Path) -> None:
    table = discover(Settings(), which=installed({name: BOTH[name]}), cgroup_root=hybrid)
    assert (table.default, list(table.runtimes)) == (name, [name])


def test_the_users_choice_is_the_default(hybrid: Path) -> None:
    settings = Settings(default_runtime="crun")
    assert discover(settings, which=installed(BOTH), cgroup_root=hybrid).default == "crun"


def test_no_runtime_at_all_names_the_package(plain: Path) -> None:
    with pytest.raises(MissingProgram, match="apt install crun"):
        discover(Settings(), which=installed({}), cgroup_root=plain)


def test_a_default_that_is_not_installed_names_the_package(plain: Path) -> None:
    with pytest.raises(MissingProgram, match=r"default runtime runc .*apt install runc"):
        discover(Settings(default_runtime="runc"), which=installed({"crun": "/c"}), cgroup_root=plain)


def test_a_configured_runtime_that_is_missing_fails_only_who_uses_it(plain: Path) -> None:
    settings = Settings(runtimes={"mine": ConfiguredRuntime("/opt/mine")})
    table = discover(settings, which=installed(BOTH), cgroup_root=plain)
    with pytest.raises(RuntimeFailed, match='exec: "/opt/mine": executable file not found'):
        table.path_of("mine")
    assert table.path_of("crun") == Path("/usr/bin/crun")


def test_an_unknown_runtime_is_the_clients_mistake(plain: Path) -> None:
    table = discover(Settings(), which=installed(BOTH), cgroup_root=plain)
    with pytest.raises(InvalidParameter, match=r"^unknown or invalid runtime name: nope$"):
        table.path_of("nope")


def test_a_configured_crun_replaces_the_built_in_one(plain: Path) -> None:
    settings = Settings(runtimes={"crun": ConfiguredRuntime("/opt/crun")})
    table = discover(settings, which=installed(BOTH | {"/opt/crun": "/opt/crun"}), cgroup_root=plain)
    assert table.path_of("") == Path("/opt/crun")


def test_missing_conmon_names_the_package() -> None:
    with pytest.raises(MissingProgram, match="conmon not found: apt install conmon"):
        find_conmon(installed({}))
