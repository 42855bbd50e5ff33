"""What went through a container's links."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from daemon.runtimes.processes import started_ticks
from daemon.runtimes.usage.interfaces import interfaces, rows
from daemon.runtimes.usage.sample import Interface, Subject

FILE = b"""Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0: 1735210089   48701    1    2    9     9          9         9  3934671   29141    3    4    9     9       9          9
longshore0:      56       2    0    0    0     0          0         0       54       1    0    1    0     0       0          0
"""  # noqa: E501  as the kernel has it


def own(*links: str, late: int = 0) -> Subject:
    ticks = started_ticks(os.getpid())
    assert ticks is not None
    return Subject("/", os.getpid(), ticks + late, links)


def test_received_and_sent_are_told_apart() -> None:
    found = dict(rows(FILE))
    assert list(found) == ["lo", "eth0", "longshore0"]
    assert found["eth0"] == Interface(1735210089, 48701, 1, 2, 3934671, 29141, 3, 4)


@given(
    st.lists(st.sampled_from([b"eth0", b":", b" ", b"1", b"max", b"\n", b"|", b"-3"])).map(b"".join)
    | st.binary()
)
def test_whatever_the_file_has_it_is_read(text: bytes) -> None:
    for _, interface in rows(text):
        assert isinstance(interface, Interface)


def test_only_links_of_the_engine_are_told_of() -> None:
    assert list(interfaces(own("lo", "nonesuch")) or ()) == ["lo"]


def test_a_container_without_links_is_told_nothing_of() -> None:
    assert interfaces(own()) is None


def test_a_pid_that_is_somebody_elses_by_now_has_no_links() -> None:
    assert interfaces(own("lo", late=1)) == {}


def test_a_process_that_has_ended_has_no_links() -> None:
    assert interfaces(Subject("/", 2**22 + 1, 1, ("lo",))) == {}
