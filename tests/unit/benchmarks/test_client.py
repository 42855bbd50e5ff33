from __future__ import annotations

import socket
import time

import pytest

from benchmarks.client import EngineAnswered, Head, Stream, dechunked, read_body, read_head, request_bytes

CHUNKED = {"transfer-encoding": "chunked"}


def peer(*pieces: bytes) -> socket.socket:
    """Return a connection on which `pieces` have come, and then the end."""
    ours, theirs = socket.socketpair()
    with theirs:
        for piece in pieces:
            theirs.sendall(piece)
    return ours


def test_a_head_is_split_from_the_first_bytes_of_the_body() -> None:
    with peer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhe", b"llo") as connection:
        head, rest = read_head(connection)
        assert (head.status, head.closes, head.chunked) == (200, True, False)
        assert read_body(connection, head, rest) == b"hello"


def test_an_answer_that_ends_early_is_an_error() -> None:
    with peer(b"lo") as connection, pytest.raises(EngineAnswered, match="3 bytes early"):
        read_body(connection, Head(200, {"content-length": "5"}), b"")


def test_a_connection_that_closes_without_an_answer_is_an_error() -> None:
    with peer() as connection, pytest.raises(EngineAnswered):
        read_head(connection)


def test_a_chunked_body_is_joined() -> None:
    with peer(b"c\r\n, chunked wo\r\n3\r\nrld\r\n0\r\n\r\n") as connection:
        assert read_body(connection, Head(200, CHUNKED), b"5\r\nhello\r\n") == b"hello, chunked world"


def test_an_empty_chunked_body_is_empty() -> None:
    assert dechunked(b"0\r\n\r\n") == b""


def test_draining_ends_at_the_last_chunk_even_if_it_comes_in_pieces() -> None:
    ours, theirs = socket.socketpair()
    with theirs, Stream(ours, Head(200, CHUNKED), b"4\r\nline\r\n0") as stream:
        theirs.sendall(b"\r\n\r\n")
        assert stream.drain(time.perf_counter() + 60) == (14, True)


def test_draining_a_hijacked_stream_ends_with_the_connection() -> None:
    with Stream(peer(b"some", b"more"), Head(101, {}), b"first") as stream:
        assert stream.drain(time.perf_counter() + 60) == (13, True)


def test_polling_returns_nothing_when_nothing_has_come() -> None:
    ours, theirs = socket.socketpair()
    with theirs, Stream(ours, Head(200, CHUNKED), b"") as stream:
        assert stream.poll() == b""
        theirs.sendall(b"event")
        assert stream.poll() == b"event"


def test_a_request_says_how_long_its_body_is() -> None:
    head, body = request_bytes("POST", "/x", {"a": 1}).split(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body == b'{"a": 1}'


def test_an_archive_is_sent_as_it_is() -> None:
    assert request_bytes("POST", "/x", b"tar").endswith(b"application/x-tar\r\nContent-Length: 3\r\n\r\ntar")
