"""The resolver outlives engines, comes back when it is killed, gives way to another, and ends by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import trio

from daemon.errors import Failed
from daemon.networks.plans import Asker
from daemon.networks.resolver import askers as askers_module
from daemon.networks.resolver import client
from daemon.networks.resolver import link as link_module
from daemon.networks.resolver.askers import Askers
from daemon.networks.resolver.client import Resolver
from daemon.networks.resolver.link import Lost, connect
from daemon.networks.resolver.starting import start
from tests.runtime.resolver.conftest import pid_of
from tests.runtime.resolver.places import SECONDS, Namespace, namespaces
from tests.unit.networks.resolver.askers import asker, member

pytestmark = pytest.mark.runtime

AN_ENGINE = """
import sys, trio
from pathlib import Path
from daemon.networks.resolver.client import Resolver
from tests.unit.networks.resolver.askers import asker, member

async def main():
    resolver = Resolver(Path(sys.argv[1]))
    await resolver.put(asker("a", member("1", "10.1.0.2", "a"), namespace=Path(sys.argv[2])))
    print("put", flush=True)
    await trio.sleep_forever()

trio.run(main)
"""


def one(space: Namespace, name: str = "a") -> Asker:
    return asker(name, member("1", "10.1.0.2", name), namespace=space.path)


def run_and_kill_an_engine(control: Path, space: Namespace) -> None:
    command = [sys.executable, "-c", AN_ENGINE, str(control), str(space.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == b"put\n"
        os.killpg(engine.pid, signal.SIGHUP)
        os.killpg(engine.pid, signal.SIGKILL)


async def eventually(holds: Callable[[], bool]) -> None:
    with trio.fail_after(SECONDS):
        while True:
            if holds():
                return
            await trio.sleep(0.02)


async def pid_once_there(control: Path) -> int:
    with trio.fail_after(SECONDS):
        while True:
            with contextlib.suppress(Lost):
                return await pid_of(control)
            await trio.sleep(0.02)


async def askers_at(control: Path) -> int:
    link = await connect(control)
    try:
        return int((await link.ask("hello"))["askers"])
    finally:
        link.close()


async def test_names_are_answered_while_the_engine_is_away(control: Path, spaces: list[Namespace]) -> None:
    run_and_kill_an_engine(control, spaces[0])
    assert await spaces[0].texts("a") == ["10.1.0.2"]
    pid = await pid_of(control)
    following = Resolver(control)
    assert await following.keep([one(spaces[0]), one(spaces[1], "b")]) == {}
    following.close()
    assert await pid_of(control) == pid
    assert await spaces[1].texts("a") == ["10.1.0.2"]


async def test_killed_it_is_back_with_all_names(resolver: Resolver, spaces: list[Namespace]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(resolver.watch)
        await resolver.put(one(spaces[0]))
        await resolver.put(one(spaces[1], "b"))
        for _ in range(2):
            await kill(resolver.control)
            with trio.fail_after(SECONDS):
                await restored(resolver.control, 2)
            assert await spaces[1].texts("a") == ["10.1.0.2"]
        nursery.cancel_scope.cancel()


async def test_a_resolver_that_hangs_is_killed_and_replaced(
    resolver: Resolver, spaces: list[Namespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    await resolver.put(one(spaces[0]))
    hanging = await pid_of(resolver.control)
    os.kill(hanging, signal.SIGSTOP)
    monkeypatch.setattr(link_module, "ASK_SECONDS", 1.0)
    await resolver.put(one(spaces[1], "b"))
    assert await pid_of(resolver.control) != hanging
    assert await spaces[0].texts("b") == ["10.1.0.2"]


async def test_a_put_to_a_dead_resolver_starts_another(resolver: Resolver, spaces: list[Namespace]) -> None:
    await resolver.put(one(spaces[0]))
    await kill(resolver.control)
    await resolver.put(one(spaces[1], "b"))
    assert await spaces[0].texts("b") == ["10.1.0.2"]


async def test_a_resolver_of_another_version_gives_way_without_a_gap(
    resolver: Resolver, spaces: list[Namespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    await resolver.put(one(spaces[0]))
    old = await pid_of(resolver.control)
    resolver.close()
    monkeypatch.setattr(client, "VERSION", "of another engine")
    following = Resolver(resolver.control)
    impatient = attrs.evolve(spaces[0], seconds=2.0)
    async with trio.open_nursery() as nursery:
        done = trio.Event()
        nursery.start_soon(ask_on, impatient, done)
        await following.put(one(spaces[0]))
        following.close()
        done.set()
    new = await pid_of(resolver.control)
    assert new != old
    os.kill(old, signal.SIGKILL)  # what answers now is the new one
    assert await spaces[0].texts("a") == ["10.1.0.2"]


async def ask_until_gone(control: Path) -> None:
    while True:
        await pid_of(control)
        await trio.sleep(1)  # longer than it stays, since asking makes it stay


async def ask_on(space: Namespace, done: trio.Event) -> None:
    """Ask until `done`, each time once more, as a C library does: what is under way at the change is lost."""
    while not done.is_set():
        try:
            found = await space.texts("a")
        except TimeoutError:
            found = await space.texts("a")
        assert found == ["10.1.0.2"]


async def test_a_namespace_that_is_not_there_is_refused_and_not_remembered(
    resolver: Resolver, spaces: list[Namespace]
) -> None:
    nowhere = Namespace(spaces[0].path.with_name("lsr-nowhere"))
    with pytest.raises(Failed, match="No such file"):
        await resolver.put(one(nowhere))
    with pytest.raises(Failed, match="localhost"):
        await resolver.put(attrs.evolve(one(spaces[0]), servers=("localhost",)))
    assert await resolver.keep([one(nowhere, "gone"), one(spaces[0])]) == {
        "gone": f"the resolver refused: [Errno 2] No such file or directory: '{nowhere.path}'"
    }
    assert await askers_at(resolver.control) == 1


async def test_what_is_not_kept_is_dropped(resolver: Resolver, spaces: list[Namespace]) -> None:
    for name, space in zip("abc", spaces, strict=True):
        await resolver.put(one(space, name))
    assert await resolver.keep([one(spaces[1], "b")]) == {}
    assert await askers_at(resolver.control) == 1
    assert await spaces[1].texts("b") == ["10.1.0.2"]


async def test_nothing_is_started_for_nobody(resolver: Resolver) -> None:
    assert await resolver.keep([]) == {}
    await resolver.drop("a")
    with pytest.raises(Lost):
        await connect(resolver.control)


async def test_who_is_expected_finds_it_running(resolver: Resolver, spaces: list[Namespace]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(resolver.watch)
        assert await resolver.keep([]) == {}
        resolver.expect()
        started = await pid_once_there(resolver.control)
        assert await askers_at(resolver.control) == 0
        await resolver.put(one(spaces[0]))
        assert await pid_of(resolver.control) == started
        nursery.cancel_scope.cancel()


async def test_a_restarted_containers_new_namespace_is_served(resolver: Resolver) -> None:
    with namespaces(1) as [first]:
        await resolver.put(one(first))
        first.delete()
        first.make()
        await resolver.put(one(first))
        assert await first.texts("a") == ["10.1.0.2"]


async def test_who_has_gone_while_the_engine_was_away_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(askers_module, "LOOK_SECONDS", 0.02)
    async with trio.open_nursery() as nursery:
        made = Askers(nursery)
        with namespaces(2) as [first, second]:
            await made.put(one(first))
            await made.put(one(second, "b"))
            nursery.start_soon(made.look)
            first.delete()
            await eventually(lambda: len(made) == 1)
            assert await second.texts("b") == ["10.1.0.2"]
        nursery.cancel_scope.cancel()


async def test_it_ends_when_it_has_had_nobody_for_a_while(control: Path) -> None:
    await start(control, "--idle-seconds", "0.2")
    with trio.fail_after(SECONDS), pytest.raises(Lost):
        await ask_until_gone(control)


async def test_there_is_one_for_a_control_socket_and_only_root_may_use_it(control: Path) -> None:
    await start(control)
    pid = await pid_of(control)
    await start(control)
    assert await pid_of(control) == pid
    assert stat.S_IMODE(control.stat().st_mode) == 0o600


async def test_a_resolver_that_cannot_start_says_why(control: Path) -> None:
    with pytest.raises(Failed, match="No such file or directory"):
        await Resolver(control.parent / "nowhere" / "resolver.sock").put(asker("a"))


async def test_it_has_nothing_of_the_engine(control: Path) -> None:
    await start(control)
    own = Path("/proc") / str(await pid_of(control))
    assert b"LONGSHORE" not in (own / "environ").read_bytes()
    links = {(own / "fd" / str(number)).readlink() for number in range(3)}
    assert links == {Path("/dev/null"), control.with_name("resolver.sock.log")}
    assert os.getsid(int(own.name)) != os.getsid(0)
    assert (own / "cwd").readlink() == Path("/")


async def kill(control: Path) -> None:
    pid = await pid_of(control)
    os.kill(pid, signal.SIGKILL)


async def restored(control: Path, count: int) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(Lost):
            if await askers_at(control) == count:
                return
        await trio.sleep(0.02)
    raise AssertionError("it did not come back")
