"""Root filesystems over a fake driver that counts: who gets must put, whoever else has the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from daemon.errors import Failed
from daemon.graphdrivers.driver import Capabilities
from daemon.graphdrivers.roots import Roots
from tests.unit.graphdrivers.fakes import FakeDriver

LAYER = "1" * 64
WEB = "a" * 64


@pytest.fixture
async def driver(tmp_path: Path) -> FakeDriver:
    made = FakeDriver(tmp_path)
    await made.init()
    await made.create(LAYER, "")
    return made


@pytest.fixture
async def roots(driver: FakeDriver) -> Roots:
    made = Roots(driver)
    await made.prepare(WEB, [f"sha256:{LAYER}"])
    return made


async def test_a_run_gets_once_and_puts_once_however_often_it_says_so(
    driver: FakeDriver, roots: Roots
) -> None:
    driver.calls.clear()
    for _ in range(2):
        assert await roots.mount(WEB) == driver.home / "containers" / WEB
    for _ in range(2):
        await roots.unmount(WEB)
    assert driver.calls == [("get", WEB), ("put", WEB)]
    await roots.mount(WEB)
    assert driver.gets[WEB] == 1


async def test_a_loan_does_not_end_a_run_nor_a_run_a_loan(driver: FakeDriver, roots: Roots) -> None:
    await roots.mount(WEB)
    async with roots.mounted(WEB) as first, roots.mounted(WEB) as second:
        assert first == second == driver.home / "containers" / WEB
        await roots.unmount(WEB)
        assert driver.gets[WEB] == 1
        await roots.mount(WEB)
    assert driver.gets[WEB] == 1
    await roots.unmount(WEB)
    assert driver.gets[WEB] == 0


async def test_a_loan_makes_what_was_never_prepared(driver: FakeDriver) -> None:
    async with Roots(driver).mounted(WEB, [f"sha256:{LAYER}"]) as path:
        assert path.is_dir()


async def test_a_loan_that_is_broken_off_is_given_back(
    driver: FakeDriver, roots: Roots, nursery: trio.Nursery
) -> None:
    async with trio.open_nursery() as users:

        async def use() -> None:
            async with roots.mounted(WEB):
                await trio.sleep_forever()

        users.start_soon(use)
        await wait_all_tasks_blocked()
        users.cancel_scope.cancel()
    assert driver.gets[WEB] == 0


async def test_a_put_that_fails_is_tried_again(driver: FakeDriver, roots: Roots) -> None:
    await roots.mount(WEB)
    driver.fails["put"] = OSError("busy")
    with pytest.raises(Failed, match="failed to unmount the root filesystem of container aaaaaaaaaaaa: busy"):
        await roots.unmount(WEB)
    driver.fails.clear()
    await roots.unmount(WEB)
    assert driver.gets[WEB] == 0


async def test_a_get_that_is_broken_off_is_taken_back(driver: FakeDriver, roots: Roots) -> None:
    driver.gates["get"] = trio.Event()
    with trio.move_on_after(0):
        await roots.mount(WEB)
    driver.gates.clear()
    await driver.get(WEB)  # as the driver may have done meanwhile
    await roots.unmount(WEB)
    assert driver.gets[WEB] == 0


async def test_what_an_engine_that_died_had_taken_is_taken_back(driver: FakeDriver, roots: Roots) -> None:
    await roots.mount(WEB)
    later = Roots(driver)
    await later.unmount(WEB)
    assert driver.gets[WEB] == 0
    await later.unmount(WEB)  # and nothing is, where nothing was taken


async def test_removing_takes_back_what_is_out(driver: FakeDriver, roots: Roots) -> None:
    await roots.mount(WEB)
    for _ in range(2):
        await roots.remove(WEB)
    assert (await driver.inventory()).read_write == frozenset()


async def test_a_running_container_of_an_engine_that_died_is_adopted(
    driver: FakeDriver, roots: Roots
) -> None:
    later = Roots(driver)
    await later.adopt([WEB])
    async with later.mounted(WEB):
        pass
    assert driver.gets[WEB] == 1
    await later.unmount(WEB)
    assert driver.gets[WEB] == 0


async def test_where_the_kernel_is_asked_nothing_is_got_again(driver: FakeDriver) -> None:
    driver.capabilities = Capabilities(counts_gets=False)
    roots = Roots(driver)
    await roots.prepare(WEB, [])
    await roots.adopt([WEB])
    assert WEB not in driver.gets
    async with roots.mounted(WEB):
        pass
    assert driver.gets[WEB] == 1  # it is still mounted for the run
    await roots.unmount(WEB)
    assert driver.gets[WEB] == 0


async def test_adopting_what_the_driver_does_not_know_stops_nobody(driver: FakeDriver) -> None:
    await Roots(driver).adopt(["b" * 64])


async def test_start_up_removes_what_belongs_to_nobody(driver: FakeDriver, roots: Roots) -> None:
    await roots.prepare("b" * 64, [])
    await roots.mount("b" * 64)
    await driver.put("b" * 64)  # with the engine that died, the plugin was started again
    await Roots(driver).prune([WEB])
    assert (await driver.inventory()).read_write == {WEB}


async def test_what_cannot_be_removed_at_start_up_stays(driver: FakeDriver, roots: Roots) -> None:
    driver.fails["remove"] = Failed("no")
    await roots.prune([])
    assert (await driver.inventory()).read_write == {WEB}


async def test_the_driver_is_cleaned_up_unless_something_runs(driver: FakeDriver, roots: Roots) -> None:
    await roots.mount(WEB)
    await roots.close()
    assert ("cleanup",) not in driver.calls
    await roots.unmount(WEB)
    await roots.close()
    assert ("cleanup",) in driver.calls


async def test_what_was_written_is_measured(driver: FakeDriver, roots: Roots) -> None:
    (await roots.mount(WEB) / "file").write_bytes(b"123")
    assert await roots.written_bytes(WEB) == 3
    assert await roots.written_bytes("b" * 64) == 0


async def test_a_missing_layer_is_named(driver: FakeDriver) -> None:
    with pytest.raises(Failed, match=r"create the root filesystem of container aaaaaaaaaaaa: .*2222"):
        await Roots(driver).prepare(WEB, ["sha256:" + "2" * 64])


def test_what_the_driver_says_is_shown(tmp_path: Path) -> None:
    roots = Roots(FakeDriver(tmp_path), (("a", "b"),))
    assert (roots.name, roots.status, roots.describe(WEB)) == ("fake", (("a", "b"),), {})


async def test_a_driver_that_cannot_be_cleaned_up_holds_nobody_up(driver: FakeDriver, roots: Roots) -> None:
    driver.fails["cleanup"] = Failed("it is gone")
    await roots.close()
