"""Samples of many containers in one go, from whatever files there are."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Failed
from daemon.runtimes.usage.meter import Host, HostMeter
from daemon.runtimes.usage.sample import Sample, Subject
from tests.unit.runtimes.usage.trees import CGROUP, VERSION_1, VERSION_2, write

GIB = 2**30
HERE = Subject(CGROUP, 1, 1)
ROW = st.lists(st.sampled_from([b"max", b"8:0", b"Read", b"7", b"user", b"rbytes=1", b"-1"])).map(b" ".join)
ODD = st.none() | st.just(b"") | st.just(b"max\n") | st.lists(ROW).map(b"\n".join) | st.binary()


@pytest.mark.parametrize(("version", "files"), [(1, VERSION_1), (2, VERSION_2)])
async def test_those_that_are_gone_are_left_out(
    tmp_path: Path, version: int, files: dict[str, bytes]
) -> None:
    meter = HostMeter.of_version(version, GIB, write(tmp_path, files, version))
    before_ns = time.time_ns()
    found = await meter.read({"here": HERE, "gone": Subject("/docker/gone", 1, 1)})
    assert list(found) == ["here"]
    assert found["here"].subject == HERE
    assert before_ns <= found["here"].at_ns <= time.time_ns()
    assert found["here"].online >= 1
    assert found["here"].host_ns > 0


@pytest.mark.parametrize(("limit", "told"), [(b"max", GIB), (b"9223372036854771712", GIB), (b"4096", 4096)])
async def test_no_limit_is_above_what_the_host_has(tmp_path: Path, limit: bytes, told: int) -> None:
    write(tmp_path, {**VERSION_2, "memory.max": limit}, 2)
    memory = (await HostMeter.of_version(2, GIB, tmp_path).read({"c": HERE}))["c"].usage.memory
    assert memory is not None
    assert memory.limit_bytes == told


@pytest.mark.parametrize(("version", "names"), [(1, tuple(VERSION_1)), (2, tuple(VERSION_2))])
@given(data=st.data())
def test_odd_files_never_make_it_fail(version: int, names: tuple[str, ...], data: st.DataObject) -> None:
    files = {name: text for name in names if (text := data.draw(ODD)) is not None}
    with TemporaryDirectory() as root:
        meter = HostMeter.of_version(version, GIB, write(Path(root), files, version))
        for sample in meter.read_now({"c": HERE}).values():
            assert orjson.dumps(attrs.asdict(sample))


async def test_files_that_cannot_be_read_are_told_of(tmp_path: Path) -> None:
    (tmp_path / CGROUP.lstrip("/") / "cpu.stat").mkdir(parents=True)
    with pytest.raises(Failed, match="statistics cannot be read: Is a directory"):
        await HostMeter.of_version(2, GIB, tmp_path).read({"c": HERE})


STAT = b"""cpu  10 20 30 40 50 60 70 8000 9000 9000
cpu0 5 10 15 20 25 30 35 4000 4500 4500
cpu3 5 10 15 20 25 30 35 4000 4500 4500
intr 73327472 0 0
ctxt 12
"""


def test_the_host_counts_what_its_processors_have_done_and_not_what_was_stolen() -> None:
    host = Host.read(STAT, 5)
    assert host == Host(280 * 10_000_000, 2, 5)
    assert host.done_until(5 + 1000) == host.done_ns + 2000


@given(st.binary() | st.just(STAT[:11]))
def test_whatever_the_host_says_it_is_read(text: bytes) -> None:
    assert Host.read(text, 0).done_ns >= 0


def test_a_sample_continues_those_of_its_run_only(tmp_path: Path) -> None:
    meter = HostMeter.of_version(2, GIB, write(tmp_path, VERSION_2, 2))
    first, second, after_restart = (
        meter.read_now({"c": subject})["c"] for subject in (HERE, HERE, attrs.evolve(HERE, started_ticks=2))
    )
    assert second.continues(first)
    assert not after_restart.continues(second)
    assert not first.continues(None)
    assert isinstance(first, Sample)
