"""What the measures ask of an engine, as calls of the Docker Engine API.

Version 1.41 is spoken to all of them: it is the newest that Debian 12's dockerd and podman know.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlencode

from benchmarks.client import Client, Stream

VERSION: Final = "/v1.41"
IMAGE: Final = "longshore-bench"


class Session:
    """One client of one engine; not to be shared between threads."""

    def __init__(self, client: Client, host_config: dict[str, Any]) -> None:
        self._client = client
        self._host_config = host_config

    def close(self) -> None:
        self._client.close()

    def import_image(self, archive: bytes) -> None:
        """Make the image of all measures from a tar of its root filesystem."""
        query = urlencode({"fromSrc": "-", "repo": IMAGE, "tag": "latest"})
        _refuse_errors(self._client.request("POST", f"{VERSION}/images/create?{query}", archive).body)

    def load(self, archive: Path) -> None:
        """Bring in the images of an archive."""
        _refuse_errors(self._client.request("POST", f"{VERSION}/images/load?quiet=1", archive).body)

    def pull(self, image: str) -> None:
        """Have `image:latest` fetched from its registry, and the whole story told meanwhile."""
        query = urlencode({"fromImage": image, "tag": "latest"})
        with self._client.stream("POST", f"{VERSION}/images/create?{query}", b"") as story:
            _refuse_errors(story.read_whole())

    def save(self, image: str) -> Stream:
        """Take an image out as an archive."""
        return self._client.stream("GET", f"{VERSION}/images/{image}/get")

    def remove_images(self, *images: str) -> None:
        """Remove those of some images that are there, under whatever registry's name podman has put them."""
        for name in self.images():
            if name.removesuffix(":latest").endswith(images):
                self._call("DELETE", f"/images/{name}?force=1")

    def images(self) -> list[str]:
        """Return the names of all images."""
        answer = self._client.request("GET", f"{VERSION}/images/json")
        items = cast("list[dict[str, Any]]", answer.json())
        return [name for item in items for name in item["RepoTags"] or ()]

    def put_archive(self, container: str, path: str, archive: Path) -> None:
        """Unpack a tar in a container."""
        query = urlencode({"path": path})
        self._client.request("PUT", f"{VERSION}/containers/{container}/archive?{query}", archive)

    def get_archive(self, container: str, path: str) -> Stream:
        """Take a file out of a container, as a tar."""
        query = urlencode({"path": path})
        return self._client.stream("GET", f"{VERSION}/containers/{container}/archive?{query}")

    def version(self) -> str:
        return str(self._document("GET", "/version")["Version"])

    def create(self, command: Sequence[str], **config: Any) -> str:
        """Create a container and return its id; `config` is more of its body, or stands for some of it."""
        body = {"Image": IMAGE, "Cmd": list(command), "HostConfig": self._host_config, **config}
        # dockerd publishes no port that is not exposed, too.
        body["ExposedPorts"] = {port: {} for port in self._host_config.get("PortBindings", ())}
        return str(self._document("POST", "/containers/create", body)["Id"])

    def start(self, container: str) -> None:
        self._call("POST", f"/containers/{container}/start")

    def kill(self, container: str) -> None:
        self._call("POST", f"/containers/{container}/kill")

    def wait(self, container: str) -> int:
        """Return the exit code once the container has exited."""
        return int(self._document("POST", f"/containers/{container}/wait")["StatusCode"])

    def remove(self, container: str) -> None:
        self._call("DELETE", f"/containers/{container}?force=1")

    def exec_output(self, container: str, command: Sequence[str]) -> bytes:
        """Run a command in a container, attached, and return its framed output."""
        wanted = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(command)}
        made = self._document("POST", f"/containers/{container}/exec", wanted)
        target = f"{VERSION}/exec/{made['Id']}/start"
        with self._client.stream("POST", target, {"Detach": False, "Tty": False}, hijack=True) as stream:
            return stream.read_all()

    def attach(self, container: str) -> Stream:
        """Attach to stdout and stderr of a container that need not run yet."""
        target = f"{VERSION}/containers/{container}/attach?stream=1&stdout=1&stderr=1"
        return self._client.stream("POST", target, hijack=True)

    def logs(self, container: str, tail: str = "all") -> Stream:
        return self._client.stream("GET", logs_target(container, tail))

    def logs_tail(self, container: str, lines: int) -> bytes:
        """Return the last lines of a container's log, framed."""
        return self._client.request("GET", logs_target(container, str(lines))).body

    def stats(self, container: str) -> Stream:
        """Follow what a container consumes."""
        return self._client.stream("GET", f"{VERSION}/containers/{container}/stats")

    def events(self, event: str) -> Stream:
        """Subscribe to the events of one name, from now on."""
        filters = urlencode({"filters": json.dumps({"event": [event]})})
        return self._client.stream("GET", f"{VERSION}/events?{filters}")

    def reload(self) -> None:
        """Have the configuration read again; Longshore alone has a call for it."""
        self._call("POST", "/reload")

    def inspect(self, container: str) -> None:
        self._call("GET", f"/containers/{container}/json")

    def state(self, container: str) -> dict[str, Any]:
        """Return how a container is."""
        return dict(self._document("GET", f"/containers/{container}/json")["State"])

    def network(self, container: str) -> dict[str, Any]:
        """Return what a running container has of its first network."""
        settings = self._document("GET", f"/containers/{container}/json")["NetworkSettings"]
        return dict(next(iter(settings["Networks"].values())))

    def list_all(self) -> list[str]:
        """Return the ids of all containers, running or not."""
        answer = self._client.request("GET", f"{VERSION}/containers/json?all=1")
        return [item["Id"] for item in cast("list[dict[str, Any]]", answer.json())]

    def fetch_list(self) -> None:
        """Fetch the list of all containers, undecoded."""
        self._call("GET", "/containers/json?all=1")

    def get(self, target: str) -> bytes:
        """Read anything, undecoded."""
        return self._client.request("GET", VERSION + target).body

    def rename(self, container: str, name: str) -> None:
        self._call("POST", f"/containers/{container}/rename?name={name}")

    def all_events(self) -> Stream:
        """Subscribe to all events from now on."""
        return self._client.stream("GET", f"{VERSION}/events")

    def ping(self) -> None:
        self._call("GET", "/_ping")

    def _call(self, method: str, target: str) -> None:
        self._client.request(method, VERSION + target)

    def _document(self, method: str, target: str, body: object = None) -> dict[str, Any]:
        return cast("dict[str, Any]", self._client.request(method, VERSION + target, body).json())


def _refuse_errors(story: bytes) -> None:
    """Raise what a stream of messages tells of under status 200."""
    if b'"error"' in story:
        raise RuntimeError(f"refused: {story.decode(errors='replace')[-500:]}")


def logs_target(container: str, tail: str) -> str:
    """Spell the request target for the log of a container."""
    return f"{VERSION}/containers/{container}/logs?stdout=1&stderr=1&tail={tail}"
