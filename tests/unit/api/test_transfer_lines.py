"""Progress as clients read it."""

from __future__ import annotations

import orjson
import pytest

from daemon.api.docker import transfer_lines
from daemon.api.versions import ApiVersion
from daemon.errors import Failed
from daemon.images.progress import Message, State, Watch, say

NEW, OLD = ApiVersion(1, 48), ApiVersion(1, 47)


@pytest.mark.parametrize(
    ("message", "document"),
    [
        (Message(State("Pulling from x"), "1", remark=True), {"status": "Pulling from x", "id": "1"}),
        (Message(State("Digest: y"), remark=True), {"status": "Digest: y"}),
        (Message(State("Waiting"), "a"), {"status": "Waiting", "progressDetail": {}, "id": "a"}),
        (
            Message(State("Downloading", 5, 10), "a"),
            {"status": "Downloading", "progressDetail": {"current": 5, "total": 10}, "id": "a"},
        ),
        (
            Message(State("Downloading", 5), "a"),
            {"status": "Downloading", "progressDetail": {"current": 5}, "id": "a"},
        ),
        (Message(State(""), aux={"Tag": "1"}), {"progressDetail": {}, "aux": {"Tag": "1"}}),
    ],
)
def test_a_message_has_dockers_members(message: Message, document: dict[str, object]) -> None:
    assert transfer_lines.document(message, NEW) == document


def test_older_clients_get_the_bar_drawn() -> None:
    document = transfer_lines.document(Message(State("Downloading", 1_200_000, 2_400_000), "a"), OLD)
    assert document["progress"] == f"[{'=' * 25}>{' ' * 25}]    1.2MB/2.4MB"


@pytest.mark.parametrize(
    ("current", "total", "drawn"),
    [
        (0, 10, f"[>{' ' * 50}]       0B/10B"),
        (10, 10, f"[{'=' * 50}>]      10B/10B"),
        (12_345, 0, " 12.35kB"),
        (11, 10, "     11B"),
    ],
)
def test_a_bar_is_as_long_as_what_is_done(current: int, total: int, drawn: str) -> None:
    assert transfer_lines.bar(State("", current, total)) == drawn


async def test_an_error_is_the_last_line() -> None:
    watch = Watch()
    say(watch.tell, "one")
    say(watch.tell, "two")
    watch.end(Failed("the disk is full\udcff"))
    first = await watch.next()
    lines = [piece async for piece in transfer_lines.lines(first, watch, NEW)]
    assert all(piece.endswith(b"\r\n") and piece.count(b"\n") == 1 for piece in lines)
    text = "the disk is full?"
    assert [orjson.loads(piece) for piece in lines] == [
        {"status": "one"},
        {"status": "two"},
        {"errorDetail": {"message": text}, "error": text},
    ]
