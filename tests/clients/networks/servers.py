"""Containers that serve something."""

from __future__ import annotations

import json
from typing import Any

from tests.clients.cli import Docker
from tests.clients.engine import until
from tests.clients.networks.hosts import Hosts


def web(docker: Docker, *options: str, text: str = "hello", port: int = 80) -> str:
    """Start a web server that answers everybody with `text`; return the container's id."""
    script = f"mkdir /w; echo -n {text} >/w/index.html; exec httpd -f -vv -h /w -p {port}"
    return docker.detached(*options, "busybox", "sh", "-c", script)


def settings(docker: Docker, container: str) -> dict[str, Any]:
    return dict(docker.inspect(container)["NetworkSettings"])


def address(docker: Docker, container: str, network: str = "bridge") -> str:
    return str(settings(docker, container)["Networks"][network]["IPAddress"])


def published(docker: Docker, container: str, port: str = "80/tcp") -> int:
    """Return the host's port that leads to a container's."""
    return int(settings(docker, container)["Ports"][port][0]["HostPort"])


def fetched(docker: Docker, container: str, address: str, port: int = 80, seconds: int = 5) -> str | None:
    """Return what a web server answers a container, None if nobody does."""
    script = (
        f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w {seconds} {address} {port}"  # wget crashes, see design
    )
    done = docker("exec", container, "sh", "-c", script, ok=False)
    head, end, body = done.out.partition("\r\n\r\n")
    return body if end and head.startswith("HTTP/1.0 200") else None


def until_fetched(docker: Docker, container: str, address: str, port: int = 80) -> None:
    """Wait for another container's server to be up."""
    until(lambda: fetched(docker, container, address, port, 1) == "hello", f"{address}:{port} is served")


def until_served(hosts: Hosts, url: str, *, outside: bool = False) -> None:
    """Wait for a container's server to be up; the network was, since its start was answered."""
    until(lambda: hosts.ask(url, outside=outside, seconds=1), f"{url} is served")


def ports_in_list(docker: Docker, name: str) -> str:
    return docker("ps", "--filter", f"name=^{name}$", "--format", "{{.Ports}}").out.strip()


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
