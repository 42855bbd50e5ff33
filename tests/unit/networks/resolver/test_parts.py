"""The resolver's small parts: documents, servers' addresses, slots."""

from __future__ import annotations

import json

import pytest

from daemon.networks.resolver.documents import from_document, to_document
from daemon.networks.resolver.slots import Slots
from daemon.networks.resolver.upstream import Server, parse_server
from tests.unit.networks.resolver.askers import asker, member


def test_an_asker_survives_the_way_through_json() -> None:
    sent = asker("a", member("1", "10.0.0.1 fd00::1", "x y", {"l": "t"}), servers=("1.1.1.1", "[::1]:53"))
    assert from_document(json.loads(json.dumps(to_document(sent)))) == sent


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("10.0.0.1", Server("10.0.0.1", 53)),
        ("10.0.0.1:5353", Server("10.0.0.1", 5353)),
        ("fd00::1", Server("fd00::1", 53)),
        ("[fd00::1]", Server("fd00::1", 53)),
        ("[fe80::1%eth0]:5353", Server("fe80::1%eth0", 5353)),
    ],
)
def test_servers_are_given_with_and_without_a_port(text: str, server: Server) -> None:
    assert parse_server(text) == server


@pytest.mark.parametrize(
    "text", ["", "localhost", "10.0.0.1:x", "[fd00::1", "10.0.0.1:53:53", "[fd00::1]53x"]
)
def test_what_is_no_server_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_server(text)


def test_slots_are_bounded_below_and_above() -> None:
    above = Slots(3)
    one, two = Slots(2, above), Slots(2, above)
    with one.taken() as a, one.taken() as b, one.taken() as c, two.taken() as d, two.taken() as e:
        assert (a, b, c, d, e) == (True, True, False, True, False)
    assert (one.free, two.free, above.free) == (2, 2, 3)
