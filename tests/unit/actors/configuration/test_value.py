"""What differs, what of it is in force, and which content is the same."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import orjson
import pytest

from daemon.actors.configuration.value import Change, Configuration, changes, fingerprint, in_force
from daemon.configuration import keys, takes_effect
from daemon.runtimes.table import Runtime, RuntimeTable
from daemon.settings import Settings, TakesEffect
from daemon.wire import parse_config
from tests.unit.actors.configuration.samples import AT_RESTART, OTHER, changed
from tests.unit.runtimes.tables import RUNTIMES

START = Settings()


def test_there_is_a_sample_for_every_key() -> None:
    assert [*OTHER] == [*keys()]


def test_settings_do_not_differ_from_themselves() -> None:
    assert changes(changed(*OTHER), changed(*OTHER)) == ()


@pytest.mark.parametrize("key", OTHER)
def test_a_change_of_any_key_is_found_and_can_be_shown(key: str) -> None:
    (change,) = changes(START, changed(key))
    assert (change.key, change.takes_effect) == (key, takes_effect(key))
    shown = orjson.loads(orjson.dumps(change.after))
    assert parse_config({key: shown}, Settings) == changed(key)
    assert changes(changed(key), START) == (attrs.evolve(change, before=change.after, after=change.before),)


def test_changes_are_in_the_order_of_the_settings() -> None:
    found = changes(START, changed("tlskey", "mtu", "debug", "hosts"))
    assert [change.key for change in found] == ["hosts", "debug", "mtu", "tlskey"]


def test_a_change_says_which_way_it_goes() -> None:
    assert changes(START, changed("mtu")) == (Change("mtu", 0, 1400, TakesEffect.RESTART),)
    assert changes(changed("mtu"), START) == (Change("mtu", 1400, 0, TakesEffect.RESTART),)


@pytest.mark.parametrize("key", OTHER)
def test_only_what_takes_a_restart_stays_as_it_was(key: str) -> None:
    assert in_force(changed(key), START) == (START if key in AT_RESTART else changed(key))


def test_what_takes_a_restart_is_what_was_agreed() -> None:
    assert {
        *("hosts", "data-root", "exec-root", "pidfile", "storage-driver", "storage-opts"),
        "seccomp-profile",
        *("bridge", "bip", "fixed-cidr", "default-gateway", "ipv6", "fixed-cidr-v6", "default-gateway-v6"),
        *("icc", "ip-masq", "ip", "default-address-pools", "mtu"),
        *("tls", "tlsverify", "tlscacert", "tlscert", "tlskey"),
    } == AT_RESTART


@pytest.mark.parametrize("key", OTHER)
def test_every_key_makes_another_content(key: str) -> None:
    assert fingerprint(changed(key), RUNTIMES) != fingerprint(START, RUNTIMES)


def test_the_order_in_which_things_are_written_is_no_content() -> None:
    there = Settings(features={"a": True, "b": False}, log_opts={"x": "1", "y": "2"})
    back = Settings(features={"b": False, "a": True}, log_opts={"y": "2", "x": "1"})
    turned = attrs.evolve(RUNTIMES, runtimes=dict(reversed([*RUNTIMES.runtimes.items()])))
    assert [*turned.runtimes] != [*RUNTIMES.runtimes]
    assert fingerprint(there, RUNTIMES) == fingerprint(back, turned)


def test_the_order_of_a_list_is_content() -> None:
    there, back = Settings(dns=("10.0.0.1", "10.0.0.2")), Settings(dns=("10.0.0.2", "10.0.0.1"))
    assert fingerprint(there, RUNTIMES) != fingerprint(back, RUNTIMES)


def with_crun(change: Callable[[Runtime], Runtime]) -> RuntimeTable:
    crun = change(RUNTIMES.runtimes["crun"])
    return attrs.evolve(RUNTIMES, runtimes={**RUNTIMES.runtimes, "crun": crun})


@pytest.mark.parametrize(
    "table",
    [
        with_crun(lambda found: attrs.evolve(found, path="/data/runtimes/crun.0")),
        with_crun(lambda found: attrs.evolve(found, binary="/usr/local/bin/crun")),
        attrs.evolve(RUNTIMES, default="runc"),
        attrs.evolve(RUNTIMES, runtimes={"crun": RUNTIMES.runtimes["crun"]}),
    ],
    ids=["path", "binary", "default", "one less"],
)
def test_what_a_name_means_on_this_host_is_content(table: RuntimeTable) -> None:
    assert fingerprint(START, table) != fingerprint(START, RUNTIMES)


@pytest.mark.parametrize(
    "table",
    [
        attrs.evolve(RUNTIMES, generation=9),
        with_crun(lambda found: attrs.evolve(found, features={"ociVersionMin": "1.0.0"})),
    ],
    ids=["generation", "features"],
)
def test_a_number_and_what_runtimes_say_of_themselves_are_no_content(table: RuntimeTable) -> None:
    assert fingerprint(START, table) == fingerprint(START, RUNTIMES)


def test_whoever_waits_for_a_restart_is_told_so() -> None:
    waiting = Configuration(START, RUNTIMES, changes(START, changed("mtu", "pidfile")))
    assert waiting.warnings == (
        "pidfile: the new value takes effect after a restart of the engine",
        "mtu: the new value takes effect after a restart of the engine",
    )
    assert Configuration(START, RUNTIMES).warnings == ()
