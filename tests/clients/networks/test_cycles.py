"""Many lives one after the other and at once: the host is left as it was found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.clients.cli import Docker
from tests.clients.engine import Engine
from tests.clients.http_api import Answer, Api
from tests.clients.networks.hosts import Hosts

CYCLES: Final = 300
AT_ONCE: Final = 6


def _lives(api: Api, network: str, count: int) -> None:
    for number in range(count):
        body = {
            "Image": "busybox",
            "Cmd": ["sleep", "1000"],
            "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {"NetworkMode": network, "PortBindings": {"80/tcp": [{"HostPort": ""}]}},
        }
        made = _done(api("POST", "/containers/create", body)).document["Id"]
        _done(api("POST", f"/containers/{made}/start"))
        if number % 3:
            _done(api("POST", f"/containers/{made}/stop", t=0))
        _done(api("DELETE", f"/containers/{made}", force=1))


def _done(answer: Answer) -> Answer:
    assert answer.status < 300, answer.body
    return answer


def test_nothing_is_left_of_300_lives(docker: Docker, engine: Engine, hosts: Hosts) -> None:
    api = Api(engine.socket_path)
    _done(api("POST", "/networks/create", {"Name": "web"}))
    links = hosts.links()
    _lives(api, "web", 1)
    ruleset = hosts.inside("nft", "list", "ruleset")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(_lives, api, "web", CYCLES // AT_ONCE) for _ in range(AT_ONCE)]:
            done.result()
    assert not hosts.links_beside(links)
    assert hosts.links() == links
    assert hosts.inside("nft", "list", "ruleset") == ruleset
