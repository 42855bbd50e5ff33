"""Which runtimes are offered, and which is the default."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from daemon.errors import RuntimeFailed
from daemon.runtimes.discovery import Which, discover, find_conmon
from daemon.runtimes.wrappers import Wrapper
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
    assert table.default == "crun"
    assert {name: found.path for name, found in table.runtimes.items()} == {
        "crun": "/usr/bin/crun",
        "runc": "/usr/sbin/runc",
        "io.containerd.runc.v2": "/usr/sbin/runc",
    }


def test_runc_is_the_default_where_crun_refuses_the_cgroups(hybrid: Path) -> None:
    assert discover(Settings(), which=installed(BOTH), cgroup_root=hybrid).default == "runc"


def test_a_hybrid_host_without_controllers_left_is_crun_s(hybrid: Path) -> None:
    (hybrid / "unified" / "cgroup.controllers").write_text("\n")
    assert discover(Settings(), which=installed(BOTH), cgroup_root=hybrid).default == "crun"


@pytest.mark.parametrize("name", ["crun", "runc"])
def test_the_only_runtime_installed_is_the_default(name: str, hybrid: Path) -> None:
    table = discover(Settings(), which=installed({name: BOTH[name]}), cgroup_root=hybrid)
    assert table.default == name
    assert {found.path for found in table.runtimes.values()} == {BOTH[name]}


def test_the_users_choice_is_the_default(hybrid: Path) -> None:
    settings = Settings(default_runtime="crun")
    assert discover(settings, which=installed(BOTH), cgroup_root=hybrid).default == "crun"


def test_no_runtime_at_all_names_the_package(plain: Path) -> None:
    with pytest.raises(MissingProgram, match="apt install crun"):
        discover(Settings(), which=installed({}), cgroup_root=plain)


@pytest.mark.parametrize("name", ["runc", "mine"])
def test_a_default_that_is_not_installed_is_an_error_only_at_use(name: str, plain: Path) -> None:
    settings = Settings(default_runtime=name, runtimes={"mine": ConfiguredRuntime("mine")})
    table = discover(settings, which=installed({"crun": "/c"}), cgroup_root=plain)
    assert table.default == name
    with pytest.raises(RuntimeFailed, match=f'exec: "{name}": executable file not found in \\$PATH'):
        table.lock(name).check_installed()


def test_a_configured_path_need_not_be_there(plain: Path) -> None:
    settings = Settings(runtimes={"mine": ConfiguredRuntime("/opt/mine")})
    table = discover(settings, which=installed(BOTH), cgroup_root=plain)
    assert table.lock("mine").path == "/opt/mine"
    with pytest.raises(RuntimeFailed, match='exec: "/opt/mine": stat /opt/mine: no such file or directory'):
        table.lock("mine").check_installed()


def test_a_configured_crun_replaces_the_stock_one(plain: Path) -> None:
    settings = Settings(runtimes={"crun": ConfiguredRuntime("/opt/crun")})
    table = discover(settings, which=installed(BOTH), cgroup_root=plain)
    assert table.lock("crun").path == "/opt/crun"


def test_a_runtime_with_arguments_is_run_by_its_script(plain: Path) -> None:
    settings = Settings(data_root=Path("/d"), runtimes={"mine": ConfiguredRuntime("runc", ("--debug",))})
    table = discover(settings, which=installed(BOTH), cgroup_root=plain)
    (wrapper,) = table.wrappers
    assert wrapper == Wrapper("mine", "/usr/sbin/runc", ("--debug",))
    locked = table.lock("mine")
    assert (locked.path, locked.binary) == (f"/d/runtimes/{wrapper.file_name}", "/usr/sbin/runc")
    assert locked.wrapper == wrapper


def test_a_runtime_with_arguments_that_is_nowhere_needs_no_script(plain: Path) -> None:
    settings = Settings(runtimes={"mine": ConfiguredRuntime("mine", ("--debug",))})
    table = discover(settings, which=installed(BOTH), cgroup_root=plain)
    assert table.wrappers == ()
    with pytest.raises(RuntimeFailed, match="not found in"):
        table.lock("mine").check_installed()


def test_a_shim_of_containerd_s_is_the_runtime_it_runs(plain: Path) -> None:
    shim = ConfiguredRuntime(runtime_type="io.containerd.runc.v2", options={"BinaryName": "/opt/other"})
    table = discover(Settings(runtimes={"mine": shim}), which=installed(BOTH), cgroup_root=plain)
    assert table.lock("mine").path == "/opt/other"


def test_missing_conmon_names_the_package() -> None:
    with pytest.raises(MissingProgram, match="conmon not found: apt install conmon"):
        find_conmon(installed({}))
