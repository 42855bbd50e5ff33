"""Routes that connect containers to networks and disconnect them."""

from __future__ import annotations

import attrs
from quart import Blueprint, Response

from daemon.actors.container.admission.endpoints import check_endpoint
from daemon.actors.container.commands import Connect, Disconnect
from daemon.api.answers import empty
from daemon.api.app import engine
from daemon.api.body import json_body
from daemon.errors import NotFound
from daemon.model import EndpointConfig

routes = Blueprint("memberships", __name__)


@attrs.frozen
class ConnectBody:
    """The body of POST /networks/{id}/connect."""

    container: str = ""
    endpoint_config: EndpointConfig | None = None


@attrs.frozen
class DisconnectBody:
    """The body of POST /networks/{id}/disconnect."""

    container: str = ""
    force: bool = False


@routes.post("/networks/<name>/connect")
async def connect(name: str) -> Response:
    """Have a container be in a network, too."""
    body = await json_body(ConnectBody)
    network = engine().networks.resolve(name)
    container = engine().containers.resolve(body.container)
    endpoint = body.endpoint_config or EndpointConfig()
    check_endpoint(network.record.name, endpoint)
    promise = await container.mailbox.ask(Connect(network.record.name, endpoint))
    await promise.outcome()
    return empty(200)


@routes.post("/networks/<name>/disconnect")
async def disconnect(name: str) -> Response:
    """Have a container be in a network no more; with Force the network itself may be gone."""
    body = await json_body(DisconnectBody)
    container = engine().containers.resolve(body.container)
    try:
        record = engine().networks.resolve(name).record
        unwanted = Disconnect(record.name, record.id, record.driver)
    except NotFound:
        if not body.force:
            raise
        unwanted = Disconnect(name)
    promise = await container.mailbox.ask(unwanted)
    await promise.outcome()
    return empty(200)
