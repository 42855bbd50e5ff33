"""Who is called what in which network."""

from __future__ import annotations

from daemon.networks.plans import Asker
from daemon.networks.resolver.directory import Directory
from tests.unit.networks.resolver.askers import asker, member

WEB = asker("web", member("1", "10.1.0.2 fd00::2", "web www"), member("2", "10.2.0.2", "web"))
DB = asker("db", member("1", "10.1.0.3", "db data"))
OTHER = asker("other", member("2", "10.2.0.9", "other data"))


def directory(*askers: Asker) -> Directory:
    made = Directory()
    for one in askers:
        made.put(one)
    return made


def addresses(made: Directory, who: Asker, name: str) -> list[str] | None:
    found = made.addresses(who, name)
    return None if found is None else [str(address) for address in found]


def test_a_container_is_found_by_each_of_its_names_whatever_the_case() -> None:
    made = directory(WEB, DB)
    for name in ("web", "WWW", "Web.Net1"):
        assert addresses(made, DB, name) == ["10.1.0.2", "fd00::2"]


def test_only_shared_networks_are_seen() -> None:
    made = directory(WEB, DB, OTHER)
    assert addresses(made, DB, "other") is None
    assert addresses(made, WEB, "other") == ["10.2.0.9"]
    assert addresses(made, DB, "web.net2") is None


def test_the_first_network_counts_most_unless_another_is_named() -> None:
    made = directory(WEB, DB, OTHER)
    assert addresses(made, WEB, "data") == ["10.1.0.3"]
    assert addresses(made, WEB, "data.net2") == ["10.2.0.9"]


def test_an_alias_of_several_is_all_of_them() -> None:
    more = [asker(f"c{number}", member("1", f"10.1.0.{number}", f"c{number} data")) for number in (7, 8)]
    assert addresses(directory(DB, *more), DB, "data") == ["10.1.0.3", "10.1.0.7", "10.1.0.8"]


def test_links_come_before_names_and_are_the_askers_own() -> None:
    linked = asker("linked", member("1", "10.1.0.4", "linked", {"Web": "DB"}))
    made = directory(WEB, DB, linked)
    assert addresses(made, linked, "web") == ["10.1.0.3"]
    assert addresses(made, linked, "web.net1") == ["10.1.0.3"]
    assert addresses(made, DB, "web") == ["10.1.0.2", "fd00::2"]


def test_a_link_in_a_later_network_comes_before_a_name_in_an_earlier() -> None:
    linked = asker("l", member("1", "10.1.0.4", "l"), member("2", "10.2.0.4", "l", {"db": "other"}))
    assert addresses(directory(DB, OTHER, linked), linked, "db") == ["10.2.0.9"]


def test_a_link_whose_target_has_gone_leaves_the_name_to_others() -> None:
    linked = asker("l", member("1", "10.1.0.4", "l", {"db": "gone"}))
    assert addresses(directory(DB, linked), linked, "db") == ["10.1.0.3"]


def test_an_address_has_the_first_name_in_the_network_it_is_of() -> None:
    made = directory(WEB, DB, OTHER)
    [in_one, in_two] = WEB.memberships
    assert made.name_of(DB, in_one.addresses[1]) == "web.net1"
    assert made.name_of(DB, in_two.addresses[0]) is None
    assert made.name_of(OTHER, in_two.addresses[0]) == "web.net2"


def test_what_is_put_again_replaces_and_what_is_dropped_leaves_nothing() -> None:
    made = directory(WEB, DB)
    made.put(asker("web", member("1", "10.1.0.5", "renamed")))
    assert addresses(made, DB, "web") is None
    assert addresses(made, DB, "renamed") == ["10.1.0.5"]
    for one in ("web", "db", "db"):
        made.drop(one)
    assert made == Directory()
