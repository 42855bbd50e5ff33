"""What a client and an image say of a health check, and what the container gets."""

from __future__ import annotations

from typing import Final

import attrs
import pytest

from daemon.errors import InvalidParameter
from daemon.model import Config, Healthcheck
from tests.unit.actors.test_admission import IMAGE, admitted

PROBED: Final = Healthcheck(("CMD", "true"), 2 * 10**9, 10**9, 5 * 10**9, 10**6, 4)


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        (None, PROBED),
        (Healthcheck(), PROBED),
        (Healthcheck(interval=10**9), attrs.evolve(PROBED, interval=10**9)),
        (
            Healthcheck(("CMD-SHELL", "a"), retries=1),
            attrs.evolve(PROBED, test=("CMD-SHELL", "a"), retries=1),
        ),
        (Healthcheck(("NONE",)), attrs.evolve(PROBED, test=("NONE",))),
    ],
)
def test_what_is_left_open_of_a_health_check_is_the_images(
    said: Healthcheck | None, becomes: Healthcheck
) -> None:
    image = attrs.evolve(IMAGE, config=attrs.evolve(IMAGE.config, healthcheck=PROBED))
    found = admitted(Config(healthcheck=said), image=image)
    assert (found.config.healthcheck, found.warnings) == (becomes, ())


def test_a_health_check_that_only_the_image_says_wrongly_keeps_nobody_from_using_it() -> None:
    odd = Healthcheck(("curl", "localhost"))
    image = attrs.evolve(IMAGE, config=attrs.evolve(IMAGE.config, healthcheck=odd))
    assert admitted(image=image).config.healthcheck == odd


@pytest.mark.parametrize(("version", "start_interval"), [((1, 43), 0), ((1, 44), 10**9)])
def test_older_clients_know_no_start_interval(version: tuple[int, int], start_interval: int) -> None:
    asked = Config(healthcheck=Healthcheck(("CMD", "true"), start_interval=10**9))
    found = admitted(asked, version=version).config.healthcheck
    assert found == Healthcheck(("CMD", "true"), start_interval=start_interval)


@pytest.mark.parametrize("test", [("CMD",), ("CMD-SHELL",), ("NONE", "x"), ("curl", "localhost"), ("",)])
def test_a_client_that_says_it_wrongly_is_told(test: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameter, match="invalid Test in Healthcheck"):
        admitted(Config(healthcheck=Healthcheck(test)))


def test_a_command_that_nobody_could_execute_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="contains a NUL character"):
        admitted(Config(healthcheck=Healthcheck(("CMD", "a\0"))))
