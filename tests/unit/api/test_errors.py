from __future__ import annotations

import inspect
from typing import Any

import pytest
import structlog
from quart import ResponseReturnValue, request

from daemon import errors
from daemon.api.app import Application
from daemon.api.errors import STATUS, status_of


@pytest.fixture
def app() -> Application:
    app = Application(__name__)

    @app.get("/raise/<kind>")
    async def fail(kind: str) -> str:
        raise getattr(errors, kind)("the text")

    @app.get("/bug")
    async def bug() -> str:
        raise OSError("/secret/path")

    @app.get("/surrogate")
    async def surrogate() -> str:
        raise errors.NotFound("No such container: \ud800")

    @app.post("/form")
    async def form() -> ResponseReturnValue:
        return str((await request.form)["missing"])

    return app


def test_every_kind_of_error_has_a_status() -> None:
    assert set(STATUS) == set(errors.EngineError.__subclasses__())


@pytest.mark.parametrize(
    "kind", [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]
)
def test_every_error_below_a_kind_has_its_status(kind: type[errors.EngineError]) -> None:
    if kind is not errors.EngineError:
        assert status_of(kind.__new__(kind)) in set(STATUS.values())


@pytest.mark.parametrize(("kind", "status"), [(kind.__name__, status) for kind, status in STATUS.items()])
async def test_error_is_answered_by_the_table(app: Application, kind: str, status: int) -> None:
    response = await app.test_client().get(f"/raise/{kind}")
    assert response.status_code == status
    assert await response.get_data() == (b"" if status == 304 else b'{"message":"the text"}\n')


async def test_bug_is_answered_by_an_operation_id_and_logged_under_it(app: Application) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        response = await app.test_client().get("/bug")
    (entry,) = logged
    assert response.status_code == 500
    assert await response.get_data(as_text=True) == (
        f'{{"message":"internal error: the engine\'s log has it under op={entry["op"]}"}}\n'
    )
    assert isinstance(entry["exc_info"], OSError)


async def test_text_that_is_no_unicode_can_be_answered(app: Application, logged: list[Any]) -> None:
    response = await app.test_client().get("/surrogate")
    assert (response.status_code, await response.get_data()) == (404, b'{"message":"No such container: ?"}\n')
    assert logged == []


async def test_what_quart_refuses_is_answered_in_our_form(app: Application, logged: list[Any]) -> None:
    response = await app.test_client().post("/form", data=b"x")
    assert response.status_code == 400
    assert "message" in await response.get_json()
    assert logged == []
