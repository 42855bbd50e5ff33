"""Many lives one after the other and at once: the host is left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from tests.clients.engine import Engine, until
from tests.clients.http_api import Api
from tests.clients.networks.hosts import Hosts

CYCLES: Final = 300
AT_ONCE: Final = 6


@pytest.fixture
def apis(engine: Engine) -> Iterator[list[Api]]:
    """A client for each thread."""
    yield [Api(engine.socket_path) for _ in range(AT_ONCE)]


def _lives(api: Api, network: str, count: int) -> None:
    for number in range(count):
        body = {
            "Image": "busybox",
            "Cmd": ["sleep", "1000"],
            "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {"NetworkMode": network, "PortBindings": {"80/tcp": [{"HostPort": ""}]}},
        }
        made = api.expect("POST", "/containers/create", body)["Id"]
        api.expect("POST", f"/containers/{made}/start")
        if number % 3:
            api.expect("POST", f"/containers/{made}/stop?t=0")
        api.expect("DELETE", f"/containers/{made}?force=1")


def test_nothing_is_left_of_300_lives(apis: list[Api], hosts: Hosts) -> None:
    apis[0].expect("POST", "/networks/create", {"Name": "web"})
    _lives(apis[0], "web", 1)
    links, ruleset = hosts.links(), hosts.inside("nft", "list", "ruleset")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(_lives, api, "web", CYCLES // AT_ONCE) for api in apis]:
            done.result()
    until(lambda: hosts.links() == links, "the kernel has removed the last link")
    assert hosts.inside("nft", "list", "ruleset") == ruleset
