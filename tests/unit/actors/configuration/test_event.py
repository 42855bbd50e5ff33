"""The event of a reload has dockerd's attributes, in dockerd's writing."""

from __future__ import annotations

import attrs

from daemon.actors.configuration.event import reload_event
from daemon.actors.configuration.value import Configuration
from daemon.journal import EventDraft
from daemon.runtimes.table import RuntimeTable
from daemon.settings import Settings
from tests.unit.runtimes.tables import a_runtime

CRUN = attrs.evolve(a_runtime("crun"), configured="crun")
TABLE = RuntimeTable({"crun": CRUN, "mine": a_runtime("mine", "/opt/mine")}, "mine", 3)


def the_event(settings: Settings) -> EventDraft:
    configuration = Configuration(settings, TABLE)
    return reload_event(configuration, engine_id="id", hostname="host", cgroupns_mode="private")


def test_an_engine_that_was_told_nothing_says_what_it_does() -> None:
    event = the_event(Settings())
    assert (event.type, event.action, event.actor_id) == ("daemon", "reload", "id")
    assert event.attributes == {
        "debug": "false",
        "default-cgroupns-mode": "private",
        "default-ipc-mode": "private",
        "default-runtime": "mine",
        "default-shm-size": "67108864",
        "default-stop-timeout": "10",
        "features": "map[]",
        "generation": "3",
        "insecure-registries": "[]",
        "labels": "[]",
        "live-restore": "true",
        "max-concurrent-downloads": "3",
        "max-concurrent-uploads": "5",
        "max-download-attempts": "5",
        "name": "host",
        "registry-mirrors": "[]",
        "runtimes": "crun:crun mine:/opt/mine",
        "shutdown-timeout": "15",
    }


def test_lists_are_json_and_maps_are_as_go_writes_them() -> None:
    attributes = the_event(
        Settings(
            debug=True,
            labels=('a="b"', "c=d"),
            features={"z": False, "a": True},
            registry_mirrors=("https://m",),
            default_cgroupns_mode="host",
        )
    ).attributes
    assert attributes["labels"] == '["a=\\"b\\"","c=d"]'
    assert attributes["features"] == "map[a:true z:false]"
    assert attributes["registry-mirrors"] == '["https://m"]'
    assert (attributes["debug"], attributes["default-cgroupns-mode"]) == ("true", "host")


def test_nothing_is_sorted_after_the_shutdown_timeout() -> None:
    assert max(the_event(Settings()).attributes) == "shutdown-timeout"
