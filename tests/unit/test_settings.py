"""The documented defaults."""

from __future__ import annotations

from pathlib import Path

import attrs

from daemon.settings import Settings, TakesEffect


def test_defaults_are_the_documented_ones() -> None:
    settings = Settings()
    assert settings.listen_urls == ("unix:///run/longshore/longshore.sock",)
    assert (settings.data_root, settings.exec_root) == (Path("/var/lib/longshore"), Path("/run/longshore"))
    assert (settings.lowest_log_level, settings.log_format) == ("info", "text")
    assert settings.default_shm_size_bytes == 64 * 1024 * 1024


def test_an_engine_elsewhere_has_its_socket_there() -> None:
    assert Settings(exec_root=Path("/run/two")).listen_urls == ("unix:///run/two/longshore.sock",)


def test_configured_hosts_replace_the_default() -> None:
    assert Settings(hosts=("tcp://127.0.0.1:2375",)).listen_urls == ("tcp://127.0.0.1:2375",)


def test_debug_lowers_the_log_level() -> None:
    assert Settings(debug=True, log_level="error").lowest_log_level == "debug"


def test_every_setting_says_what_a_change_of_it_takes() -> None:
    effects = {field.name: field.metadata["takes_effect"] for field in attrs.fields(Settings)}
    assert all(isinstance(effect, TakesEffect) for effect in effects.values())
    assert set(effects.values()) == set(TakesEffect)
