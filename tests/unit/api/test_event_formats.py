"""Events as bytes, as the version and the `Accept` of a request ask for."""

from __future__ import annotations

import json

import pytest
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from daemon.api.docker.event_formats import Format, gap
from daemon.api.versions import ApiVersion
from daemon.journal import Event

START = Event(7, 1_700_000_000_123_456_789, "container", "start", "abc", {"image": "busybox"})


def agreed(accept: str, minor: int) -> Format:
    return Format.agreed(parse_accept_header(accept, MIMEAccept), ApiVersion(1, minor))


@pytest.mark.parametrize(
    ("accept", "minor", "content_type"),
    [
        ("", 24, "application/json"),
        ("", 51, "application/json"),
        ("", 52, "application/jsonl"),
        ("*/*", 52, "application/jsonl"),
        ("application/json", 52, "application/json"),
        ("application/json-seq", 24, "application/json-seq"),
        ("text/event-stream", 24, "text/event-stream"),
        ("rubbish;;q=", 24, "application/json"),
    ],
)
def test_the_content_type_is_the_clients_choice_or_the_versions(
    accept: str, minor: int, content_type: str
) -> None:
    assert agreed(accept, minor).content_type == content_type


def test_the_old_fields_end_with_version_1_52() -> None:
    old, new = (json.loads(agreed("", minor).render(START)) for minor in (51, 52))
    assert old.keys() - new.keys() == {"status", "id", "from"}
    assert (new["time"], new["timeNano"], new["seq"]) == (1_700_000_000, 1_700_000_000_123_456_789, 7)


def test_a_container_without_an_image_has_no_from() -> None:
    bare = Event(1, 1, "container", "start", "abc", {})
    assert "from" not in json.loads(agreed("", 51).render(bare))


def test_an_event_of_no_object_has_no_id() -> None:
    pruned = Event(1, 1, "container", "prune", "", {"reclaimed": "0"})
    shown = json.loads(agreed("", 51).render(pruned))
    assert "id" not in shown
    assert (shown["status"], shown["Actor"]["ID"]) == ("prune", "")


def test_a_gap_decodes_like_any_event() -> None:
    record = json.loads(agreed("", 51).render(gap(3, 9, 10**9)))
    assert record == {
        "Type": "gap",
        "Action": "gap",
        "Actor": {"ID": "", "Attributes": {"from": "3", "to": "9"}},
        "scope": "local",
        "time": 1,
        "timeNano": 10**9,
        "seq": 9,
    }
