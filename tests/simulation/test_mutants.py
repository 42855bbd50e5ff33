"""That the simulation finds bugs: each of the planted ones, soon."""

from __future__ import annotations

from itertools import count, takewhile
from typing import Final

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.world import simulate

SEEDS: Final = 400


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    with mutant.planted():
        assert any(simulate(seed, mutant.plan).violations for seed in takewhile(lambda n: n < SEEDS, count()))
