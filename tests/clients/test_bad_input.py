"""What no decent client sends: each gets the documented answer, and the engine goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.clients.cli import Docker
from tests.clients.engine import Engine

JSON = {"Content-Type": "application/json"}
MIB = 1 << 20


def send(engine: Engine, request: bytes) -> tuple[int, Any]:
    """Send these bytes and return the status and the body of the answer."""
    with engine.connect() as connection:
        connection.sendall(request)
        return _answer(connection)


def _answer(connection: socket.socket) -> tuple[int, Any]:
    response = HTTPResponse(connection)
    response.begin()
    body = response.read()
    return response.status, json.loads(body) if body else None


def ask(
    engine: Engine, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    """Send a request that is well-formed as HTTP."""
    payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    fields = {"Host": "x", "Connection": "close", "Content-Length": str(len(payload))}
    fields |= (JSON if payload else {}) | (headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return send(engine, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + payload)


@pytest.fixture(autouse=True)
def _the_engine_goes_on(engine: Engine, docker: Docker) -> Iterator[None]:
    before = docker.ids()
    yield
    assert docker.run("busybox", "echo", "fine").out == "fine\n"
    assert docker.ids() == before


def create(engine: Engine, body: object, name: str = "") -> tuple[int, str]:
    status, answer = ask(engine, "POST", f"/v1.51/containers/create{name}", body)
    return status, str(answer.get("message"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "invalid JSON: EOF"),
        (b"{", "invalid JSON: "),
        (b"nonsense", "invalid JSON: "),
        (b'{"Image": "busybox"}{}', "unexpected content after JSON"),
        (b"\xff\xfe", "invalid JSON: "),
        (b"[" * 100_000, "invalid JSON: "),
        ([], "invalid JSON: "),
        ({}, "config cannot be empty in order to create a container"),
        (b"null", "config cannot be empty in order to create a container"),
        ({"Image": 5}, "invalid JSON: Image: expected string, got int"),
        ({"Image": "busybox", "Env": "A=b"}, "invalid JSON: Env: expected array, got string"),
        ({"Image": "busybox", "HostConfig": []}, "invalid JSON: HostConfig: expected object, got array"),
        (
            {"Image": "busybox", "HostConfig": {"Memory": "1g"}},
            "invalid JSON: HostConfig.Memory: expected int, got string",
        ),
        ({"Image": "busybox", "HostConfig": {"Memory": 1}}, ""),
        ({"Image": "busybox", "Env": ["=x"]}, "invalid environment variable: =x"),
        ({"Image": "busybox", "HostConfig": {"Binds": ["/tmp:relative"]}}, ""),
        ({"Image": "busybox", "StopSignal": "SIGNOPE"}, ""),
        ({"Image": "busybox", "HostConfig": {"Runtime": "nope"}}, "unknown or invalid runtime name: nope"),
    ],
)
def test_a_bad_create_is_400_and_says_why(engine: Engine, body: object, message: str) -> None:
    status, told = create(engine, body)
    assert (status, message in told, "Traceback" in told) == (400, True, False), told


@pytest.mark.parametrize("name", ["?name=a", "?name=_x", "?name=a%20b", "?name=../etc"])
def test_a_bad_name_is_400(engine: Engine, name: str) -> None:
    status, told = create(engine, {"Image": "busybox"}, name)
    assert status == 400
    assert "Invalid container name" in told


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/v1.51/containers/nope/json", 404, "No such container: nope"),
        ("POST", "/v1.51/containers/nope/start", 404, "No such container: nope"),
        ("DELETE", "/v1.51/containers/nope", 404, "No such container: nope"),
        ("GET", "/v1.51/exec/nope/json", 404, "No such exec instance: nope"),
        ("GET", "/v1.51/images/nope/json", 404, "No such image: nope:latest"),
        ("GET", "/v1.51/images/NOPE/json", 400, "invalid reference format"),
        ("GET", "/v1.51/containers/json?filters=garbage", 400, "invalid filter"),
        (
            "GET",
            "/v1.51/containers/json?filters=%7B%22zoo%22%3A%5B%22x%22%5D%7D",
            400,
            "invalid filter 'zoo'",
        ),
        ("GET", "/v1.51/containers/json?limit=many", 400, ""),
        ("GET", "/v1.51/events?since=yesterday", 400, ""),
        ("GET", "/v1.99/version", 400, "client version 1.99 is too new"),
        ("GET", "/v1.51/no/such/path", 404, "page not found"),
        ("PUT", "/v1.51/containers/json", 404, "page not found"),
        ("GET", "/%00", 404, "page not found"),
        ("GET", "/v1.51/containers/%FF%FE/json", 404, "No such container"),
        ("GET", "/v1.51/containers/..%2F..%2Fetc%2Fpasswd/json", 404, "page not found"),
    ],
)
def test_what_does_not_exist_or_make_sense_is_told(
    engine: Engine, method: str, path: str, status: int, message: str
) -> None:
    answered, body = ask(engine, method, path)
    assert (answered, message in body["message"]) == (status, True), body


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        (b"GET /v1.11/version", b"400", b"client version 1.11 is too old"),
        (b"POST /v1.51/containers/nope/attach?stream=1", b"404", b"No such container: nope"),
    ],
)
def test_who_may_not_read_json_is_told_in_plain_text(
    engine: Engine, request_: bytes, status: bytes, message: bytes
) -> None:
    with engine.connect() as connection:
        connection.sendall(request_ + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert message in answer


def test_a_body_that_is_not_said_to_be_json_is_refused(engine: Engine) -> None:
    status, body = ask(
        engine, "POST", "/v1.51/containers/create", {"Image": "busybox"}, {"Content-Type": "text/plain"}
    )
    assert status == 400
    assert "unsupported Content-Type header (text/plain): must be 'application/json'" in body["message"]


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /_ping HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_not_http_is_refused_or_hung_up_on(engine: Engine, request_: bytes) -> None:
    with engine.connect() as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert not answer or answer.startswith(b"HTTP/1.1 4")


def test_a_header_of_more_than_a_mebibyte_is_refused(engine: Engine) -> None:
    with engine.connect() as connection:
        try:
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * (2 * MIB) + b"\r\n\r\n")
            answer = connection.recv(100)
        except (BrokenPipeError, ConnectionResetError):  # it had read enough
            answer = b""
    assert not answer or answer.startswith(b"HTTP/1.1 4")


def test_a_header_of_just_under_a_mebibyte_is_taken(engine: Engine) -> None:
    status, _ = ask(engine, "GET", "/version", headers={"X-Registry-Config": "x" * (MIB - 4096)})
    assert status == 200


@pytest.mark.parametrize("path", ["/containers/create", "/images/load", "/images/create?fromSrc=-&repo=cut"])
def test_a_body_that_is_cut_off_changes_nothing(engine: Engine, docker: Docker, path: str) -> None:
    images = docker("images", "--all", "--quiet").out
    kind = "application/json" if "containers" in path else "application/x-tar"
    with engine.connect() as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 100000\r\n\r\n"
        connection.sendall(head.encode() + b'{"Image": "busybox"')
    assert docker("images", "--all", "--quiet").out == images


@pytest.mark.parametrize(
    "follow", ["logs?follow=1&stdout=1", "attach?stream=1&stdout=1&stdin=1", "wait", "stats"]
)
def test_a_client_that_leaves_in_the_middle_harms_nobody(engine: Engine, docker: Docker, follow: str) -> None:
    container = docker.detached("busybox", "sh", "-c", "while :; do echo line; done")
    method = "GET" if follow.startswith(("logs", "stats")) else "POST"
    for _ in range(5):
        with engine.connect() as connection:
            upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n" if "attach" in follow else ""
            connection.sendall(
                f"{method} /containers/{container}/{follow} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n".encode()
            )
            assert connection.recv(10).startswith(b"HTTP/1.1 ") or follow == "wait"
    docker("rm", "-f", container)


def test_an_event_reader_that_does_not_read_harms_nobody(engine: Engine, docker: Docker) -> None:
    with engine.connect() as stuck:
        stuck.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert stuck.recv(12).startswith(b"HTTP/1.1 200")
        for _ in range(20):
            docker.run("busybox", "true")


def test_a_mount_source_that_is_missing_is_told_and_leaves_nothing(engine: Engine) -> None:
    mount = {"Type": "bind", "Source": "/no/such/place", "Target": "/x"}
    status, told = create(engine, {"Image": "busybox", "HostConfig": {"Mounts": [mount]}})
    assert (status, "bind source path does not exist: /no/such/place" in told) == (400, True)


@pytest.mark.parametrize("query", ["", "?h=10", "?h=x&w=10", "?h=10&w=-1", "?h=10&w=70000"])
def test_a_resize_without_a_size_is_400(engine: Engine, docker: Docker, query: str) -> None:
    container = docker.sleeper()
    status, body = ask(engine, "POST", f"/v1.51/containers/{container}/resize{query}")
    assert (status, "invalid" in body["message"]) == (400, True), body
    docker("rm", "-f", container)


def test_detach_keys_of_an_exec_are_looked_at_when_it_is_made(engine: Engine, docker: Docker) -> None:
    container = docker.sleeper()
    wish = {"Cmd": ["true"], "DetachKeys": "zz,zz"}
    status, body = ask(engine, "POST", f"/v1.51/containers/{container}/exec", wish)
    assert (status, body["message"]) == (400, "Invalid detach keys (zz,zz) provided")
    docker("rm", "-f", container)


@pytest.mark.parametrize("query", ["stream=1&stdin=1", "stream=1", "stream=1&logs=1"])
def test_attaching_to_nothing_ends_at_once(engine: Engine, docker: Docker, query: str) -> None:
    container = docker.sleeper()
    head = b"Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    with engine.connect() as connection:  # its stdin is not open
        connection.sendall(f"POST /v1.51/containers/{container}/attach?{query} HTTP/1.1\r\n".encode() + head)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"\r\n\r\n")
    docker("rm", "-f", container)
