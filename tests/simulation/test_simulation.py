"""That the engine passes, whatever the interleaving.

LONGSHORE_SIMULATION_SEEDS=1000-9999 for more of them, LONGSHORE_SIMULATION_SEEDS=4711 for one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

import pytest

from tests.simulation.world import simulate

FIRST, _, LAST = os.environ.get("LONGSHORE_SIMULATION_SEEDS", "0-1999").partition("-")
SEEDS: Final = range(int(FIRST), int(LAST or FIRST) + 1)
BLOCK: Final = 100
DIGESTS: Final = (
    "from tests.simulation.world import simulate\nprint(*(simulate(seed).digest for seed in range(8)))"
)


@pytest.mark.parametrize("first", SEEDS[::BLOCK], ids=lambda first: f"from {first}")
def test_the_engine_keeps_its_promises(first: int) -> None:
    """A failure prints its seed and the whole story of that run."""
    for seed in SEEDS[first - SEEDS.start :][:BLOCK]:
        result = simulate(seed)
        assert not result.violations, str(result)


def test_a_seed_is_one_story_and_no_two_are_the_same() -> None:
    digests = [simulate(seed).digest for seed in range(8)]
    assert digests == [simulate(seed).digest for seed in range(8)]
    assert len(set(digests)) == len(digests)


def test_a_seed_is_the_same_story_in_another_process() -> None:
    def told(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", DIGESTS]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    assert told("1") == told("2")
