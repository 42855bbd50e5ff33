from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.images.registry.challenges import Challenge, read

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
CHALLENGES = st.builds(Challenge, NAMES, st.dictionaries(NAMES, VALUES, max_size=4))


def written(challenge: Challenge) -> str:
    quoted = (
        f'{name}="' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for name, value in challenge.parameters.items()
    )
    return f"{challenge.scheme} {', '.join(quoted)}".strip()


@given(st.lists(CHALLENGES, min_size=1, max_size=3))
def test_what_is_written_is_read(challenges: list[Challenge]) -> None:
    assert read([written(challenge) for challenge in challenges]) == tuple(challenges)


@given(st.lists(CHALLENGES.filter(lambda c: c.parameters), min_size=1, max_size=3))
def test_several_in_one_value_are_told_apart(challenges: list[Challenge]) -> None:
    assert read([", ".join(map(written, challenges))]) == tuple(challenges)


@given(st.lists(st.text()))
def test_nothing_breaks_the_reader(values: list[str]) -> None:
    read(values)


@pytest.mark.parametrize(
    ("value", "challenges"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
            (
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                ),
            ),
        ),
        ("BASIC Realm=x", (Challenge("basic", {"realm": "x"}),)),
        ("Negotiate", (Challenge("negotiate"),)),
        (
            'Negotiate abc==, Basic realm="a \\"b\\""',
            (Challenge("negotiate"), Challenge("basic", {"realm": 'a "b"'})),
        ),
        ("", ()),
        ("=", ()),
    ],
)
def test_headers_as_they_are_seen(value: str, challenges: tuple[Challenge, ...]) -> None:
    assert read([value]) == challenges
