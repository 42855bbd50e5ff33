"""Debian's dockerd (20.10) with a driver of ours as its storage driver; needs root, and it and its CLI."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

import pytest

from tests.runtime.graphdrivers.inside import DRIVERS

pytestmark = pytest.mark.runtime
PROJECT: Final = Path(__file__).parents[3]
SECONDS: Final = 240


@pytest.mark.parametrize("kind", DRIVERS)
def test_it_runs_containers_on_a_served_driver(tmp_path: Path, kind: str) -> None:
    with (tmp_path / "busybox.tar").open("wb") as image:
        subprocess.run([PROJECT / "scripts" / "busybox-image"], stdout=image, check=True)
    command = [sys.executable, "-m", "tests.runtime.graphdrivers.inside", str(tmp_path), kind]
    done = subprocess.run(
        ["unshare", "--mount", *command],
        cwd=PROJECT,
        capture_output=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr.decode() + (tmp_path / "dockerd.log").read_text()
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["driver"] == "served\n"
    assert said["run"] == "hello\n"
    assert said["change"] == ""
    assert set(said["diff"].splitlines()) >= {"C /bin", "D /bin/ls", "A /new", "C /etc", "A /etc/d"}
    assert said["again"] == "new\n3\n"
    assert said["gone"] == "gone\n"
    with tarfile.open(tmp_path / "web.tar") as exported:
        names = exported.getnames()
    assert "new" in names
    assert "bin/ls" not in names
    assert "Deleted: " in said["removed"]
    assert said["left"] == ""
    layers = tmp_path / "data" / "served" / ("layers" if kind == "overlay" else "dir")
    assert list(layers.iterdir()) == []
