"""What of a request's and of the engine's logging options a container gets."""

from __future__ import annotations

import attrs
import pytest

from daemon.actors.container.admission import Defaults, admit
from daemon.errors import EngineError, InvalidParameter, NotImplementedHere
from daemon.model import Config, HostConfig, ImageConfig, LogConfig, NetworkingConfig
from tests.unit.runtimes.spec.inputs import HOST
from tests.unit.runtimes.tables import RUNTIMES

PLAIN = Defaults(host=HOST, runtimes=RUNTIMES, hostname="the-host")
LIMITED = attrs.evolve(PLAIN, log_opts={"max-size": "10m", "labels": "a"})
IMAGE = ImageConfig(
    id="sha256:" + "a" * 64, config=Config(cmd=("x",)), diff_ids=(), architecture="amd64", os="linux"
)


def log_config(own: LogConfig, defaults: Defaults) -> LogConfig:
    admitted = admit(Config(), HostConfig(log_config=own), NetworkingConfig(), IMAGE, (1, 51), defaults)
    return admitted.host_config.log_config


def test_a_container_that_says_nothing_is_logged_as_the_engine_says() -> None:
    assert log_config(LogConfig(), PLAIN) == LogConfig("json-file", {})
    assert log_config(LogConfig(), LIMITED) == LogConfig("json-file", {"max-size": "10m", "labels": "a"})
    silent = attrs.evolve(PLAIN, log_driver="none")
    assert log_config(LogConfig("", {}), silent) == LogConfig("none", {})


def test_its_own_options_are_laid_over_the_engines() -> None:
    own = {"max-size": "1k", "env": "HOME"}
    expected = {"max-size": "1k", "labels": "a", "env": "HOME"}
    assert log_config(LogConfig("", own), LIMITED) == LogConfig("json-file", expected)
    assert log_config(LogConfig("json-file", own), LIMITED) == LogConfig("json-file", expected)


def test_the_engines_options_are_for_the_engines_driver_alone() -> None:
    assert log_config(LogConfig("none"), LIMITED) == LogConfig("none", {})
    silent = attrs.evolve(LIMITED, log_driver="none")
    assert log_config(LogConfig("json-file"), silent) == LogConfig("json-file", {})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max-size": "big"}, InvalidParameter),
        ({"x": "1"}, InvalidParameter),
        ({"tag": "x"}, NotImplementedHere),
    ],
)
def test_what_cannot_be_honoured_is_refused(options: dict[str, str], error: type[EngineError]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        log_config(LogConfig("", options), LIMITED)
