"""Images that go to another engine and come back: the same image, made of the same layers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.cli import Docker
from tests.clients.passing import ENGINES

PROJECT: Final = Path(__file__).parents[2]
SECONDS: Final = 300
IMAGE: Final = "travelling:1"
SCRIPT: Final = (
    "mkdir /d; echo hi >/d/f; ln /d/f /d/g; ln -s f /d/l; chown 3:4 /d/f; chmod 4750 /d/f; mkfifo /d/p; "
    "dd if=/dev/zero of=/d/sparse bs=1 count=1 seek=1000000; touch -d @1234567890 /d/old; "
    "rm /etc/group; rm -r /home; mkdir /home"
)
LOOK: Final = "stat -c '%n %a %u:%g %h %F %s %Y' /d/*; ls /etc/group; ls -A /home"


@pytest.fixture
def travelling(docker: Docker) -> Iterator[Docker]:
    """Have an image of three layers, in which there is one of each kind."""
    docker("run", "--name", "one", "busybox", "sh", "-c", SCRIPT)
    docker("commit", "-c", "ENV A=b", "-c", 'CMD ["sh"]', "one", "half:1")
    docker("run", "--name", "two", "half:1", "sh", "-c", "rm /d/l; echo more >/d/more; ln -s / /d/l")
    docker("commit", "two", IMAGE)
    yield docker
    docker.remove_all()
    docker("rmi", "-f", IMAGE, "half:1", ok=False)


def passed(engine: str, root: Path, archive: Path, saved: Path) -> Mapping[str, Any]:
    """Have another engine load an archive and save it again; return what it says of the image."""
    command = ["unshare", "--mount", sys.executable, "-m", "tests.clients.passing"]
    arguments = [engine, str(root), str(archive), IMAGE, str(saved)]
    done = subprocess.run(
        [*command, *arguments], cwd=PROJECT, capture_output=True, check=False, timeout=SECONDS
    )
    logs = [log.read_text() for log in root.glob("*.log")]
    assert done.returncode == 0, "\n".join([done.stderr.decode(), *logs])
    (found,) = json.loads(done.stdout)
    return {**found, "Id": f"sha256:{found['Id'].removeprefix('sha256:')}"}  # podman leaves it out


def identity(found: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return what an image is: its id, which is its config's digest, and the diff IDs of its layers."""
    return found["Id"], found["RootFS"]["Layers"]


@pytest.mark.parametrize("other", ENGINES)
def test_an_image_comes_back_as_it_was(travelling: Docker, tmp_path: Path, other: str) -> None:
    docker, ours, theirs = travelling, tmp_path / "ours.tar", tmp_path / "theirs.tar"
    before, looks = identity(docker.inspect(IMAGE)), docker.run(IMAGE, "sh", "-c", LOOK, ok=False).out
    docker("save", "-o", str(ours), IMAGE)
    assert identity(passed(other, tmp_path, ours, theirs)) == before
    docker.remove_all()
    docker("rmi", "-f", IMAGE, "half:1")
    docker("load", "-i", str(theirs))
    assert identity(docker.inspect(IMAGE)) == before
    assert docker.run(IMAGE, "sh", "-c", LOOK, ok=False).out == looks
    assert len(before[1]) == 3
    assert "/d/f 4750 3:4 2 regular file 3 " in looks
