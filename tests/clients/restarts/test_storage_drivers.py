"""Whole engines on other storage drivers than the usual one, through a crash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.cli import import_busybox
from tests.clients.engine import until
from tests.clients.restarts.site import Site

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def environment(site: Site) -> Iterator[dict[str, str]]:
    """What makes an engine find the plugin `served`, which runs."""
    configuration, socket = site.root / "config", site.root / "plugin.sock"
    specs = configuration / "docker" / "plugins"
    command = [sys.executable, "-m", "tests.clients.restarts.served", str(socket), str(specs)]
    with subprocess.Popen(command, cwd=PROJECT) as process:
        until((specs / "served.spec").exists, "the plugin listens")
        yield {"ROOTLESSKIT_STATE_DIR": "/none", "XDG_CONFIG_HOME": str(configuration)}
        process.terminate()


@pytest.mark.parametrize(
    ("driver", "home", "layers"),
    [
        ("overlay2", "overlay", "layers"),
        ("vfs", "vfs", "dir"),
        ("served", "graphdrivers/served", "data/dir"),
    ],
)
def test_containers_run_and_outlive_an_engine(
    site: Site, environment: dict[str, str], driver: str, home: str, layers: str
) -> None:
    shutil.rmtree(site.root / "data")
    site.configure({"storage-driver": driver})
    site.start(**environment)
    import_busybox(site.docker)
    assert site.docker("info", "--format", "{{.Driver}}").out == f"{driver}\n"
    assert "Backing Filesystem" in site.docker("info", "--format", "{{.DriverStatus}}").out
    run = site.docker.sleeper()
    site.docker("exec", run, "sh", "-c", "echo kept > /file")
    site.engine.kill()
    site.start(**environment)
    assert site.docker("exec", run, "cat", "/file").out == "kept\n"
    site.docker("stop", "--time=0", run)
    site.docker("start", run)
    assert site.docker("exec", run, "cat", "/file").out == "kept\n"
    assert site.docker.inspect(run)["GraphDriver"]["Name"] == driver
    assert site.docker.inspect(run)["GraphDriver"]["Data"]
    site.docker("rm", "--force", run)
    site.docker("rmi", "busybox")
    where = site.root / "data" / home
    until(lambda: not list((where / "index").iterdir()), "the layers are deleted")
    assert list((where / layers).iterdir()) == []
    site.engine.stop()


def test_another_storage_driver_than_before_is_refused(site: Site) -> None:
    shutil.rmtree(site.root / "data")
    site.configure({"storage-driver": "vfs"})
    site.start()
    import_busybox(site.docker)
    site.engine.stop()
    site.configure({"storage-driver": "overlay2"})
    with pytest.raises(RuntimeError, match="has layers of the storage driver vfs, which overlay2 cannot use"):
        site.start()
    site.configure({})
    site.start()
    assert site.docker("info", "--format", "{{.Driver}}").out == "vfs\n"
