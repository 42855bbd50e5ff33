"""Engines killed at every failpoint and at any time: whatever was answered holds, and nothing is left behind.

LONGSHORE_CRASH_KILLS says how many (2000 are the long mode and take about 20 minutes), LONGSHORE_CRASH_SEED
repeats a run: not to the instruction, since the kernel has its own dice, but with the same failpoints and the
same wishes.  LONGSHORE_CRASH_PLACES leaves only failpoints that begin with one of its words.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.clients.networks.hosts import two_hosts
from tests.clients.restarts.crash.clearing import clear_away
from tests.clients.restarts.crash.forge import lit
from tests.clients.restarts.crash.places import AFTER, failpoints, first_time_only
from tests.clients.restarts.crash.report import report
from tests.clients.restarts.crash.shop import opened
from tests.clients.restarts.crash.world import World

KILLS: Final = int(os.environ.get("LONGSHORE_CRASH_KILLS", "200"))
SEED: Final = int(os.environ.get("LONGSHORE_CRASH_SEED", "") or random.SystemRandom().randrange(10**6))
PLACES: Final = tuple(os.environ.get("LONGSHORE_CRASH_PLACES", "").split()) or ("",)
WORLDS: Final = 2
TIMES: Final = (1, 1, 2, 4)  # which time a failpoint is fatal; if it is not reached so often, then the first
OFTEN: Final = {"netlink": tuple(range(1, 60))}  # the same for one that stands for many places
PATIENCE_SECONDS: Final = (4.0, 8.0, 16.0, *(30.0,) * 9)
"""For a failpoint to be reached, at each attempt; most are in a moment, unless the machine is busy."""
RANDOM: Final = 0.3  # of the kills at least are at any time


def crash(world: World, places: Sequence[str], kills: int, give_up: threading.Event) -> set[str]:
    """Have engines killed at each of `places` and so many times in all; return which were not reached."""
    times = [1 if first_time_only(place) else world.dice.choice(OFTEN.get(place, TIMES)) for place in places]
    waiting = deque((place, time_reached, 0) for place, time_reached in zip(places, times, strict=True))
    missed = set()
    while (world.kills.total() < kills or waiting) and not give_up.is_set():
        if not waiting or world.dice.random() < RANDOM:
            world.round()
            continue
        place, time_reached, attempt = waiting.popleft()
        if place in AFTER:
            world.round(AFTER[place], 1, PATIENCE_SECONDS[attempt])
        if world.round(place, time_reached, PATIENCE_SECONDS[attempt]):
            continue
        if attempt + 1 < len(PATIENCE_SECONDS):
            waiting.append((place, 1, attempt + 1))
        else:
            missed.add(place)
    if not give_up.is_set():
        world.end()
    return missed


@pytest.fixture
def worlds(tmp_path: Path, data: Path) -> Iterator[list[World]]:
    """Sites with the image busybox, and dice; whatever happens, nothing of them goes on."""
    with ExitStack() as stack:
        found = []
        for number in range(WORLDS):
            root = tmp_path / str(number)
            root.mkdir()
            subprocess.run(["cp", "-a", str(data), str(root / "data")], check=True)
            stack.callback(clear_away, root)
            hosts = stack.enter_context(two_hosts())
            shop = stack.enter_context(opened(tmp_path / f"shop-{number}", hosts.host))
            forge = stack.enter_context(lit(hosts.host))
            found.append(World(root, forge, hosts, shop, random.Random(SEED + number)))
        yield found


def test_whatever_was_answered_survives_every_crash(
    worlds: list[World], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():  # for whoever wants to repeat a run that went well, too
        sys.stdout.write(f"\n{KILLS} kills with LONGSHORE_CRASH_SEED={SEED}\n")
    places = [place for place in failpoints() if place.startswith(PLACES)]
    random.Random(SEED).shuffle(places)
    give_up = threading.Event()

    def live(number: int) -> set[str]:
        try:
            return crash(worlds[number], places[number::WORLDS], KILLS // WORLDS, give_up)
        except BaseException as failure:
            give_up.set()  # the others need not go on
            failure.add_note(f"LONGSHORE_CRASH_SEED={SEED}, {KILLS} kills, place {number} of {WORLDS}")
            failure.add_note(report(worlds[number], failure))
            raise

    with ThreadPoolExecutor(WORLDS) as pool:
        missed = set().union(*pool.map(live, range(WORLDS)))
    kills = sum((world.kills for world in worlds), Counter[str]())
    attempts = [end for world in worlds for end in world.ends if any(f" {place}:" in end for place in missed)]
    assert not missed, "\n".join([f"seed {SEED}: not reached: {sorted(missed)}", *attempts])
    assert kills.total() >= KILLS
