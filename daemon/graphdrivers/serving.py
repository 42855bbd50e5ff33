"""The other side: any object with a driver's operations as a plugin, for this engine or dockerd up to 27.

    async with serve(MyDriver, "mine"):
        await trio.sleep_forever()

The plugin then listens at /run/docker/plugins/mine.sock, where `storage-driver: mine` finds it.  The driver
is made when it is told where it may keep files.

Source: moby v27 `daemon/graphdriver/proxy.go`; api-contract section 5.2.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs
import trio

from daemon.errors import Failed
from daemon.graphdrivers.driver import Operations
from daemon.graphdrivers.plugin import SERVICE
from daemon.plugins.discovery import Directories
from daemon.plugins.server import BadRequest, Call, Service, Tar, listening

MakeDriver = Callable[[Path, Sequence[str]], Operations]
"""Makes a driver, given its home and the user's options as `key=value`."""
Answer = Mapping[str, Any]


@asynccontextmanager
async def serve(
    make: MakeDriver, name: str, directories: Directories | None = None, *, socket: Path | None = None
) -> AsyncGenerator[Path, None]:
    """Serve a driver as the plugin `name`, and yield its socket.

    Args:
        make: makes the driver.
        name: what users call it.
        directories: where plugins are looked for; those of this host if None.
        socket: where to listen, if not among the sockets of all plugins; a spec file then says so.

    Raises:
        OSError: there can be no socket or no file.

    """
    places = directories or Directories()
    path = socket or places.sockets / f"{name}.sock"
    spec = places.specs[0] / f"{name}.spec" if socket is not None else None
    driver = _Served(make)
    handlers = {f"{SERVICE}.{method}": _bound(driver, handle) for method, handle in _METHODS.items()}
    async with listening(Service((SERVICE,), handlers), path):
        if spec is not None:
            await trio.to_thread.run_sync(_write_spec, spec, path)
        try:
            yield path
        finally:
            if spec is not None:
                spec.unlink(missing_ok=True)


def _write_spec(spec: Path, socket: Path) -> None:
    spec.parent.mkdir(parents=True, exist_ok=True)
    spec.write_text(f"unix://{socket}\n")


@attrs.define(eq=False)
class _Served:
    """The driver, once it was told where to keep files."""

    make: MakeDriver
    made: Operations | None = None

    @property
    def driver(self) -> Operations:
        if self.made is None:
            raise Failed("the driver has not been initialized")
        return self.made


def _bound(served: _Served, handle: Callable[[_Served, Call], Awaitable[Answer | Tar]]) -> Any:
    return lambda call: handle(served, call)


async def _init(served: _Served, call: Call) -> Answer:
    arguments = await call.json()
    options = arguments.get("Opts") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise BadRequest("Opts must be texts")
    driver = served.make(Path(_text(arguments, "Home")), options)
    await driver.init()
    served.made = driver
    return {"Err": ""}


async def _capabilities(served: _Served, call: Call) -> Answer:
    await call.json()
    return {"Capabilities": {"ReproducesExactDiffs": served.driver.capabilities.reproduces_exact_diffs}}


async def _create(served: _Served, call: Call) -> Answer:
    arguments = await call.json()
    _refuse_options(arguments)
    await served.driver.create(_id(arguments), _parent(arguments))
    return {"Err": ""}


async def _create_read_write(served: _Served, call: Call) -> Answer:
    arguments = await call.json()
    _refuse_options(arguments)
    await served.driver.create_read_write(_id(arguments), _parent(arguments))
    return {"Err": ""}


async def _remove(served: _Served, call: Call) -> Answer:
    await served.driver.remove(_id(await call.json()))
    return {"Err": ""}


async def _get(served: _Served, call: Call) -> Answer:
    return {"Dir": str(await served.driver.get(_id(await call.json()))), "Err": ""}


async def _put(served: _Served, call: Call) -> Answer:
    await served.driver.put(_id(await call.json()))
    return {"Err": ""}


async def _exists(served: _Served, call: Call) -> Answer:
    return {"Exists": await served.driver.exists(_id(await call.json()))}


async def _status(served: _Served, call: Call) -> Answer:
    await call.json()
    return {"Status": [list(pair) for pair in await served.driver.status()]}


async def _metadata(served: _Served, call: Call) -> Answer:
    return {"Metadata": dict(await served.driver.metadata(_id(await call.json()))), "Err": ""}


async def _cleanup(served: _Served, call: Call) -> Answer:
    await call.json()
    await served.driver.cleanup()
    return {"Err": ""}


async def _diff(served: _Served, call: Call) -> Tar:
    arguments = await call.json()
    return served.driver.diff(_id(arguments), _parent(arguments))


async def _changes(served: _Served, call: Call) -> Answer:
    arguments = await call.json()
    found = await served.driver.changes(_id(arguments), _parent(arguments))
    # JSON has no bytes: what is not UTF-8 is shown as dockerd shows it.
    shown = [{"Path": _shown(change.path), "Kind": int(change.kind)} for change in found]
    return {"Changes": shown, "Err": ""}


async def _apply_diff(served: _Served, call: Call) -> Answer:
    arguments = {"ID": call.query.get("id"), "Parent": call.query.get("parent")}
    extracted = await served.driver.apply_diff(_id(arguments), _parent(arguments), call.chunks)
    return {"Size": extracted.size_bytes, "Err": ""}


async def _diff_size(served: _Served, call: Call) -> Answer:
    arguments = await call.json()
    return {"Size": await served.driver.diff_size(_id(arguments), _parent(arguments)), "Err": ""}


_METHODS: Final[Mapping[str, Callable[[_Served, Call], Awaitable[Answer | Tar]]]] = MappingProxyType(
    {
        "Init": _init,
        "Capabilities": _capabilities,
        "Create": _create,
        "CreateReadWrite": _create_read_write,
        "Remove": _remove,
        "Get": _get,
        "Put": _put,
        "Exists": _exists,
        "Status": _status,
        "GetMetadata": _metadata,
        "Cleanup": _cleanup,
        "Diff": _diff,
        "Changes": _changes,
        "ApplyDiff": _apply_diff,
        "DiffSize": _diff_size,
    }
)


def _text(arguments: Answer, key: str) -> str:
    value = arguments.get(key) or ""
    if not isinstance(value, str):
        raise BadRequest(f"{key} must be a text")
    return value


def _id(arguments: Answer) -> str:
    return _name(_text(arguments, "ID"))


def _parent(arguments: Answer) -> str:
    """Return the id of the layer below; "" for none."""
    value = _text(arguments, "Parent")
    return value and _name(value)


def _name(value: str) -> str:
    """Return the id of a layer, which drivers may use as a file's name."""
    if not value or "/" in value or "\0" in value or value in {".", ".."}:
        raise BadRequest(f"invalid ID {value!r}")
    return value


def _refuse_options(arguments: Answer) -> None:
    if options := arguments.get("StorageOpt"):
        raise BadRequest(f"storage options are not supported: {', '.join(map(str, options))}")


def _shown(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
