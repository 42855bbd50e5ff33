from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.api.app import Application
from daemon.api.versions import HEADERS, NEWEST, ApiVersion, api_version, clean_path, split_version

TOO_NEW = "client version 1.99 is too new. Maximum supported API version is 1.51"
TOO_OLD = (
    "client version 1.11 is too old. Minimum supported API version is 1.24, "
    "please upgrade your client to a newer version"
)


@pytest.fixture
def app() -> Application:
    app = Application(__name__)

    @app.get("/version")
    async def version() -> str:
        return f"{api_version()} {api_version() >= (1, 42)}"

    @app.post("/images/<path:name>/tag")
    async def tag(name: str) -> str:
        return name

    return app


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/version", "1.51 True"),
        ("/v1.51/version", "1.51 True"),
        ("/v1.42/version", "1.42 True"),
        ("/v1.41/version", "1.41 False"),
        ("/v1.24/version", "1.24 False"),
        ("/v1.41.9/version", "1.41 False"),
        ("/v1.41/./x/..//version", "1.41 False"),
        ("//v1.41//version/", "1.41 False"),
        ("http://docker/v1.41/version", "1.41 False"),
    ],
)
async def test_version_is_taken_from_the_path(app: Application, path: str, says: str) -> None:
    async with app.test_request_context("/") as context:
        scope = context.request.scope | {"path": path}
    connection = app.test_client().request("/")
    connection.scope.update(scope)  # type: ignore[attr-defined]
    async with connection as opened:
        await opened.send_complete()
    assert await (await opened.as_response()).get_data(as_text=True) == says


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/v1.99/version", "application/json", f'{{"message":"{TOO_NEW}"}}\n'),
        ("/v1.11/version", "text/plain; charset=utf-8", f"{TOO_OLD}\n"),
    ],
)
async def test_version_out_of_range_is_refused(app: Application, path: str, kind: str, body: str) -> None:
    response = await app.test_client().get(path)
    assert response.status_code == 400
    assert response.headers["Content-Type"] == kind
    assert response.headers["Api-Version"] == "1.51"
    assert await response.get_data(as_text=True) == body


@pytest.mark.parametrize(
    "path", ["/v1", "/v1.41", "/vx/version", "/v1.41x/version", f"/v1.{'1' * 5000}/version"]
)
async def test_what_is_no_version_is_no_route(app: Application, path: str) -> None:
    assert (await app.test_client().get(path)).status_code == 404


async def test_every_answer_of_a_route_carries_the_headers(app: Application) -> None:
    response = await app.test_client().get("/v1.41/version")
    assert [(name, response.headers.getlist(name)) for name, _ in HEADERS] == [
        ("Api-Version", ["1.51"]),
        ("Docker-Experimental", ["false"]),
        ("Ostype", ["linux"]),
        ("Server", [dict(HEADERS)["Server"]]),
    ]


@pytest.mark.parametrize(("method", "path"), [("get", "/nope"), ("delete", "/version")])
async def test_page_that_no_route_has_carries_none(app: Application, method: str, path: str) -> None:
    response = await getattr(app.test_client(), method)(path)
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/json"
    assert await response.get_data() == b'{"message":"page not found"}\n'
    assert not {name for name, _ in HEADERS} & set(response.headers.keys())


async def test_post_is_not_redirected(app: Application) -> None:
    response = await app.test_client().post("/v1.41//images/library%2Fbusybox%3A1/tag")
    assert (response.status_code, await response.get_data()) == (200, b"library/busybox:1")


def test_versions_compare_by_number() -> None:
    assert ApiVersion(1, 9) < ApiVersion(1, 24) < (1, 42)


@given(st.text())
def test_any_path_can_be_cleaned(path: str) -> None:
    cleaned = clean_path(path)
    assert cleaned.startswith("/")
    assert clean_path(cleaned) == cleaned
    assert not {"", ".", ".."} & set(cleaned.split("/")[1:-1])


@given(st.from_regex(r"/v[0-9.]*/x", fullmatch=True))
def test_any_version_can_be_read(path: str) -> None:
    version, rest = split_version(path)
    assert rest == "/x" or version == NEWEST
