"""The three dialects of JSON: what they take, what they refuse, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, get_origin

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Failed, InvalidParameter
from daemon.model import Config, ExecConfig, Healthcheck, HostConfig, ImageConfig, NetworkingConfig, wire
from daemon.shapes import PROBLEMS_SHOWN
from daemon.wire import parse_client, parse_record, render, to_client, to_record


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Point:
    x: int
    y: int = 0


@attrs.frozen
class Everything:
    colour: Colour
    where: Path
    points: tuple[Point, ...]
    pair: tuple[str, int]
    named: Mapping[str, Point]
    maybe: Point | None = None
    weight: float = 0.0
    anything: Any = None


@attrs.frozen
class CreateBody(Config):
    host_config: HostConfig = attrs.field(factory=HostConfig)
    networking_config: NetworkingConfig | None = None


EVERYTHING = Everything(
    Colour.BLUE, Path("/a/b"), (Point(1, 2),), ("a", 1), {"p": Point(3)}, Point(4), 1.5, {"k": [None]}
)


st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(str, st.text(max_size=8))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("key", ["HostConfig", "hostConfig", "hostconfig", "HOSTCONFIG"])
def test_a_clients_key_matches_in_any_case(key: str) -> None:
    assert parse_client({key: {"memory": 5}}, CreateBody).host_config.memory == 5


def test_of_a_key_repeated_in_another_case_the_last_one_counts() -> None:
    assert parse_client({"Image": "a", "image": "b"}, Config).image == "b"


def test_unknown_keys_and_nulls_of_a_client_are_passed_over() -> None:
    assert parse_client({"NoSuchKey": 1, "Image": None, "Labels": None, "Tty": None}, Config) == Config()


@pytest.mark.parametrize(
    ("attribute", "key"),
    [
        ("container_id_file", "ContainerIDFile"),
        ("uts_mode", "UTSMode"),
        ("blkio_device_read_iops", "BlkioDeviceReadIOps"),
        ("io_maximum_iops", "IOMaximumIOps"),
        ("cgroupns_mode", "CgroupnsMode"),
        ("nano_cpus", "NanoCpus"),
    ],
)
def test_names_are_dockers_where_they_are_not_pascal_case(attribute: str, key: str) -> None:
    assert attribute in attrs.fields_dict(HostConfig)
    assert key in to_client(HostConfig())


@pytest.mark.parametrize(
    ("document", "type_", "problem"),
    [
        ({"HostConfig": {"Memory": "5"}}, CreateBody, "HostConfig.Memory: expected int, got string"),
        ({"HostConfig": {"Memory": True}}, CreateBody, "HostConfig.Memory: expected int, got bool"),
        ({"HostConfig": {"Memory": 1.0}}, CreateBody, "HostConfig.Memory: expected int, got number"),
        ({"HostConfig": {"Memory": 2**63}}, CreateBody, "HostConfig.Memory: number does not fit in 64 bits"),
        ({"Tty": "false"}, Config, "Tty: expected bool, got string"),
        ({"Tty": 0}, Config, "Tty: expected bool, got int"),
        ({"Image": 5}, Config, "Image: expected string, got int"),
        ({"Env": "A=1"}, Config, "Env: expected array, got string"),
        ({"Env": ["A=1", 2]}, Config, "Env[1]: expected string, got int"),
        ({"Env": {"A": "1"}}, Config, "Env: expected array, got object"),
        ({"Labels": []}, Config, "Labels: expected object, got array"),
        ({"Labels": {"a.b": 1}}, Config, "Labels.a.b: expected string, got int"),
        ({"Labels": {"a\nb\u2028": 1}}, Config, r"Labels.a\nb\u2028: expected string, got int"),
        ({"healthcheck": []}, Config, "Healthcheck: expected object, got array"),
        ({"Ulimits": [{}, {"Soft": "x"}]}, HostConfig, "Ulimits[1].Soft: expected int, got string"),
        ([], Config, "expected object, got array"),
        (None, Config, "expected object, got null"),
        ("x", Config, "expected object, got string"),
        ({"X": "5"}, Point, "X: expected int, got string"),
        ({}, Point, "X: is required"),
        ({"X": None}, Point, "X: is required"),
    ],
)
def test_a_wrong_type_is_named_with_its_path(document: object, type_: type, problem: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parse_client(document, type_)
    assert str(refused.value) == f"invalid JSON: {problem}"


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(InvalidParameter) as refused:
        parse_client({"Tty": 1, "Env": [1, "a", 2], "HostConfig": {"Init": 0}}, CreateBody)
    assert str(refused.value).splitlines() == [
        "invalid JSON: Tty: expected bool, got int",
        "invalid JSON: Env[0]: expected string, got int",
        "invalid JSON: Env[2]: expected string, got int",
        "invalid JSON: HostConfig.Init: expected bool, got int",
    ]


def test_of_very_many_problems_the_rest_is_counted() -> None:
    with pytest.raises(InvalidParameter) as refused:
        parse_client({"Env": [0] * 1000}, Config)
    lines = str(refused.value).splitlines()
    assert len(lines) == PROBLEMS_SHOWN + 1
    assert lines[-1] == f"invalid JSON: and {1000 - PROBLEMS_SHOWN} more problems"


@pytest.mark.parametrize("key", ["Cmd", "Entrypoint", "Shell"])
def test_a_command_may_be_one_bare_string(key: str) -> None:
    parsed = parse_client({key: "echo hi"}, Config)
    assert to_client(parsed)[key] == ["echo hi"]


def test_health_and_exec_commands_may_be_bare_strings_too() -> None:
    assert parse_client({"Test": "true"}, Healthcheck).test == ("true",)
    assert parse_client({"Cmd": "true"}, ExecConfig).cmd == ("true",)


def test_a_whole_number_is_a_number() -> None:
    weight = parse_client(to_client(EVERYTHING) | {"Weight": 2}, Everything).weight
    assert (weight, type(weight)) == (2.0, float)


def test_render_writes_values_inside_dicts_and_lists_as_a_line() -> None:
    assert render({"a": [Point(1, 2), None]}) == b'{"a":[{"X":1,"Y":2},null]}\n'


def test_mappings_and_nulls_go_out_as_they_are() -> None:
    sent = to_client(Config(labels={"a": "b"}, exposed_ports={"80/tcp": {}}))
    assert (sent["Labels"], sent["ExposedPorts"], sent["Env"]) == ({"a": "b"}, {"80/tcp": {}}, None)


def test_a_record_comes_back_equal() -> None:
    assert parse_record(to_record(EVERYTHING), Everything) == EVERYTHING


def test_a_record_is_kept_under_field_names() -> None:
    assert orjson.loads(to_record(Point(1))) == {"x": 1, "y": 0}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"extra": 1}, "extra: unknown key"),
        ({"Where": "/"}, "Where: unknown key"),
        ({"colour": "green"}, "colour: expected one of red, blue, got 'green'"),
        ({"colour": ["red"]}, "colour: expected one of red, blue, got ['red']"),
        ({"where": 1}, "where: expected string, got int"),
        ({"pair": ["a"]}, "pair: expected 2 items, got 1"),
        ({"pair": ["a", "b"]}, "pair[1]: expected int, got string"),
        ({"points": None}, "points: expected array, got null"),
        ({"named": {"p": {"y": 1}}}, "named.p.x: is required"),
        ({"weight": True}, "weight: expected number, got bool"),
    ],
)
def test_a_record_we_did_not_write_is_refused(change: dict[str, Any], problem: str) -> None:
    document = orjson.loads(to_record(EVERYTHING)) | change
    with pytest.raises(Failed) as refused:
        parse_record(orjson.dumps(document), Everything)
    assert str(refused.value) == f"damaged Everything record: {problem}"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"x":1}{}'])
def test_a_record_that_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(Failed, match="damaged Point record"):
        parse_record(body, Point)


def test_a_field_that_is_newer_than_the_record_has_its_default() -> None:
    assert parse_record(b'{"x":1}', Point) == Point(1, 0)


def _values_of(type_: type) -> st.SearchStrategy[Any]:
    """Build instances with JSON wherever the model allows any."""
    fields = attrs.fields(attrs.resolve_types(type_))
    return st.builds(type_, **{field.name: _values(field.type) for field in fields})


def _values(type_: Any) -> st.SearchStrategy[Any]:
    if type_ is Any:
        return JSON_VALUES
    if attrs.has(type_):
        return _values_of(type_)
    arguments: tuple[Any, ...] = getattr(type_, "__args__", ())
    if get_origin(type_) is tuple:
        return st.lists(_values(arguments[0]), max_size=2).map(tuple)
    if get_origin(type_) is Mapping:
        return st.dictionaries(st.text(max_size=4), _values(arguments[1]), max_size=2)
    if type(None) in arguments:
        (inner,) = set(arguments) - {type(None)}
        return st.none() | _values(inner)
    return st.from_type(type_)


@pytest.mark.parametrize("type_", [Config, HostConfig, NetworkingConfig, ExecConfig, ImageConfig])
@given(data=st.data())
def test_the_model_survives_both_round_trips(data: st.DataObject, type_: type) -> None:
    value = data.draw(_values_of(type_))
    assert parse_client(orjson.loads(render(value)), type_) == value
    assert parse_record(to_record(value), type_) == value


@given(
    document=JSON_VALUES
    | st.dictionaries(st.sampled_from(["Env", "cmd", "HostConfig", "Labels"]), JSON_VALUES)
)
def test_whatever_a_client_sends_is_parsed_or_refused(document: object) -> None:
    try:
        parsed = parse_client(document, CreateBody)
    except InvalidParameter as error:
        lines = str(error).splitlines()
    else:
        assert parse_client(to_client(parsed), CreateBody) == parsed
        lines = []
    assert all(line.startswith("invalid JSON: ") for line in lines)


def test_wire_names_can_be_given() -> None:
    @attrs.frozen
    class Odd:
        size: int = wire("SIZE_rw", default=0)

    assert to_client(Odd(3)) == {"SIZE_rw": 3}
