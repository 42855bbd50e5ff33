"""docker-compose, the program of Debian 12, with a project of two services."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import attrs
import pytest

from tests.clients.cli import Docker
from tests.clients.engine import Engine
from tests.clients.networks.hosts import HOST, Hosts
from tests.clients.networks.servers import fetched, until_served

SECONDS: Final = 120
PROJECT: Final = """
version: "2.4"
services:
  web:
    image: busybox
    command: sh -c "mkdir -p /w; echo -n hello >/w/index.html; exec httpd -f -h /w -p 80"
    ports: ["8080:80"]
    networks: {front: {aliases: [site]}}
    stop_grace_period: 0s
    healthcheck: {test: ["CMD", "test", "-e", "/w/index.html"], interval: 1s}
  client:
    image: busybox
    command: sleep 1000
    networks: [front]
    stop_grace_period: 0s
    depends_on: {web: {condition: service_healthy}}
networks:
  front: {}
"""


@attrs.frozen
class Compose:
    """The program in the directory of a project."""

    program: str
    directory: Path
    url: str

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.program, "--no-ansi", *arguments], cwd=self.directory, capture_output=True, timeout=SECONDS,
            env={**os.environ, "DOCKER_HOST": self.url, "HOME": str(self.directory)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode() + done.stderr.decode()


@pytest.fixture
def compose(engine: Engine, tmp_path: Path) -> Compose:
    """A project that nobody has brought up yet."""
    found = shutil.which("docker-compose")
    if found is None:
        report = pytest.fail if "CI" in os.environ else pytest.skip
        report("docker-compose is not installed: run scripts/setup --test")
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "docker-compose.yml").write_text(PROJECT)
    return Compose(found, directory, engine.url)


def test_a_project_comes_up_once_and_goes_down_without_a_trace(
    docker: Docker, compose: Compose, hosts: Hosts
) -> None:
    links = hosts.links()
    compose("up", "-d")
    until_served(hosts, f"http://{HOST[4]}:8080/", outside=True)
    client = compose("ps", "-q", "client").split()[0]
    assert fetched(docker, client, "web") == fetched(docker, client, "site") == "hello"
    first = sorted(docker.ids())
    again = compose("up", "-d")
    assert sorted(docker.ids()) == first
    assert again.count("is up-to-date") == 2
    compose("down")
    assert docker.ids() == []
    assert docker("network", "ls", "--filter", "type=custom", "--quiet").out == ""
    assert not hosts.links_beside(links)
    assert hosts.elements() == 0


def test_a_service_that_has_changed_is_made_anew(docker: Docker, compose: Compose) -> None:
    compose("up", "-d")
    web, client = (compose("ps", "-q", service).split()[0] for service in ("web", "client"))
    try:
        file = compose.directory / "docker-compose.yml"
        file.write_text(PROJECT.replace("sleep 1000", "sleep 1001"))
        compose("up", "-d")
        again = [compose("ps", "-q", service).split()[0] for service in ("web", "client")]
        assert (again[0] == web, again[1] == client) == (True, False)
        assert docker.inspect(again[1])["Config"]["Cmd"] == ["sleep", "1001"]
    finally:
        compose("down")
