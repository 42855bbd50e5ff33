"""What a container may be called, and what it is called if nobody says."""

from __future__ import annotations

import re
import secrets
from typing import Final

from daemon.errors import Conflict, InvalidParameter

NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")

MOODS: Final = """
    able airy amber ample arctic balmy bold brave breezy bright brisk calm candid clear clever
    coastal cosy crisp deep distant eager early easy even fair fast fine firm fleet fond free
    fresh gentle glad golden grand great hardy hazy honest idle jolly keen kind late level light
    lively local loyal lucid mellow merry mild misty modest neat nimble noble northern ocean
    open patient placid plain polar proud quick quiet rapid ready robust rosy salty sandy serene
    sharp silent silver sleek smooth snug sober solid southern spry stable steady still stout
    sunny sure swift tidal tidy true upbeat vivid warm wide windy wise witty
""".split()  # ruff: ignore[split-static-string]  a list has a line a word
SAILORS: Final = """
    amundsen anson baffin baret barents barth bass beaufort bering bligh bougainville cabot
    cavendish chichester cook cortereal crozier davis dias drake duperrey elcano erikson fitzroy
    flinders franklin frobisher gama gray hawkins hudson humboldt kotzebue laperouse lisiansky
    magellan malaspina mawson mccarthy nansen naomi nelson nordenskiold parry peary piri polo
    pytheas raleigh rennell ross scott shackleton slocum tasman torres urdaneta vancouver
    vespucci wallis weddell wilkes zheng
""".split()  # ruff: ignore[split-static-string]  a list has a line a word


def check_name(name: str) -> None:
    """Accept `name` as a container's.

    Raises:
        InvalidParameter: it is too short or has other characters.

    """
    if not NAME.fullmatch(name):
        raise InvalidParameter(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")


def invented_name() -> str:
    """Return a name that probably nobody has, adjective_surname as Docker's."""
    return f"{secrets.choice(MOODS)}_{secrets.choice(SAILORS)}"


def name_conflict(name: str, holder_id: str) -> Conflict:
    """Return the error for a container name that another one has (clients match this text)."""
    return Conflict(
        f'Conflict. The container name "/{name}" is already in use by container "{holder_id}". '
        "You have to remove (or rename) that container to be able to reuse that name."
    )
