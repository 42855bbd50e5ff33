"""Platforms as clients and indexes write them."""

from __future__ import annotations

import attrs
import pytest

from daemon.errors import InvalidParameter
from daemon.images import platforms
from daemon.images.platforms import Platform


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", Platform("linux", "amd64")),
        ("linux/amd64/v1", Platform("linux", "amd64")),
        ("Linux/X86_64", Platform("linux", "amd64")),
        ("arm64", Platform("linux", "arm64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/arm", Platform("linux", "arm")),
        ("linux/armhf", Platform("linux", "arm", "v7")),
        ("linux/arm/6", Platform("linux", "arm", "v6")),
        ("windows/amd64", Platform("windows", "amd64")),
        ("Windows", attrs.evolve(platforms.host(), os="windows")),
    ],
)
def test_a_platform_has_one_form(text: str, platform: Platform) -> None:
    assert platforms.parse(text) == platform


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/am d64", "linux//v8"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid platform"):
        platforms.parse(text)


def test_linux_alone_is_this_machine() -> None:
    assert platforms.parse("linux") == platforms.host()


@pytest.mark.parametrize(
    ("machine", "image", "runs"),
    [
        ("linux/amd64", "linux/amd64", True),
        ("linux/amd64", "linux/arm64", False),
        ("linux/amd64/v3", "linux/amd64", True),
        ("linux/amd64", "linux/amd64/v3", False),
        ("linux/arm/v7", "linux/arm/v6", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm64", "linux/arm/v7", False),
    ],
)
def test_a_machine_runs_what_was_made_for_an_older_one(machine: str, image: str, runs: bool) -> None:
    assert platforms.parse(machine).runs(platforms.parse(image)) is runs


def test_the_best_that_runs_is_chosen() -> None:
    offered = ["linux/arm64", "linux/arm/v5", "linux/arm/v6", "linux/arm/v7", ""]

    def chosen(wanted: str) -> str | None:
        def platform_of(text: str) -> Platform | None:
            return platforms.parse(text) if text else None

        return platforms.best(platforms.parse(wanted), offered, platform_of)

    assert chosen("linux/arm/v7") == "linux/arm/v7"
    assert chosen("linux/arm/v6") == "linux/arm/v6"
    assert chosen("linux/arm64") == "linux/arm64"
    assert chosen("linux/s390x") == ""
    offered.remove("")
    assert chosen("linux/s390x") is None


def test_a_platform_is_written_as_it_is_read() -> None:
    assert [str(platforms.parse(text)) for text in ("linux/arm/v6", "amd64")] == [
        "linux/arm/v6",
        "linux/amd64",
    ]
