"""What a change of a key takes, which keys do nothing yet, and that the user is told the same."""

from __future__ import annotations

import re
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any

import orjson
import pytest

from daemon.configuration import Source, keys, load, takes_effect, warnings
from daemon.settings import Settings, TakesEffect

CONFIG = Path(__file__).parents[2] / "config"
GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


def documented() -> dict[str, str]:
    """Return what the README's table of keys says that each key's change takes."""
    lines = iter((CONFIG / "README.md").read_text().splitlines())
    table = takewhile(
        lambda line: line.startswith("|"), dropwhile(lambda line: "takes effect |" not in line, lines)
    )
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in list(table)[2:]]
    return {key.strip(" `"): row[-1] for row in rows for key in row[0].split(",")}


def test_the_users_table_says_what_the_settings_say() -> None:
    assert documented() == {key: takes_effect(key).value for key in keys()}


def test_the_example_is_valid_and_does_nothing_in_vain() -> None:
    settings = Source({}, CONFIG / "daemon.json", required=True).read()
    assert warnings(settings) == ()
    assert any(runtime.runtime_args for runtime in settings.runtimes.values())


def test_keys_are_named_as_in_the_file() -> None:
    assert keys()["tlsverify"].name == "tls_verify"
    assert keys()["default-shm-size"].name == "default_shm_size_bytes"
    assert next(iter(keys())) == "hosts"


def test_what_a_change_takes_is_known_by_key() -> None:
    assert takes_effect("log-level") is TakesEffect.NOW
    assert takes_effect("runtimes") is TakesEffect.NEXT_START
    assert takes_effect("default-shm-size") is TakesEffect.NEW_CONTAINERS
    assert takes_effect("data-root") is TakesEffect.RESTART
    with pytest.raises(KeyError):
        takes_effect("zoo")


def test_the_defaults_warn_of_nothing() -> None:
    assert warnings(Settings()) == ()


@pytest.mark.parametrize(
    ("file", "warning"),
    [
        (
            {"features": {"buildkit": True}},
            "features.buildkit: has no effect: this engine has no such feature",
        ),
    ],
)
def test_a_wish_that_nothing_can_act_on_is_a_warning(file: dict[str, Any], warning: str) -> None:
    assert warnings(load({}, orjson.dumps(file))) == (warning,)


def test_a_feature_that_is_off_or_unknown_is_no_warning() -> None:
    settings = load({}, b'{"features": {"buildkit": false, "of-another-engine": true}, "mtu": 0}')
    assert warnings(settings) == ()


def test_the_guide_names_exactly_the_keys_that_need_a_restart() -> None:
    (sentence,) = re.findall(r"^Only these keys need a restart[^.]*\.", GUIDE.read_text(), re.MULTILINE)
    assert re.findall(r"`([^`]+)`", sentence) == [
        key for key in keys() if takes_effect(key) is TakesEffect.RESTART
    ]
