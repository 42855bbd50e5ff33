"""Profiles, what becomes of them for one container, and the programs made of them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import Failed, InvalidParameter
from daemon.model import HostConfig
from daemon.runtimes.seccomp import KEPT, SeccompProfiles
from daemon.runtimes.spec.inputs import BpfSeccomp, OciSeccomp
from daemon.runtimes.spec.seccomp_profile import Target, oci_section, parse_profile, tightened
from daemon.seccomp_bpf import compile_section
from tests.unit.runtimes.spec.inputs import HOST

TARGET = Target(frozenset({"CAP_CHOWN"}), "amd64", (6, 1))
ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
RETURN_ERRNO, RETURN_ALLOW = 0x00050000, 0x7FFF0000
X86_64 = 0xC000003E


def profile(*rules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"defaultAction": ERRNO, "syscalls": [{"action": ALLOW, **rule} for rule in rules], **more}


def names(found: Mapping[str, Any]) -> list[str]:
    return [name for rule in found["syscalls"] for name in rule["names"]]


def run(program: bytes, syscall: int, argument: int = 0, architecture: int = X86_64) -> int:
    """Interpret a program as the kernel would (the instructions libseccomp uses)."""
    code = list(struct.iter_unpack("=HBBI", program))
    data = struct.pack("=IIQ6Q", syscall, architecture, 0, argument, *[0] * 5)
    counter, accumulator = 0, 0
    while True:
        operation, if_true, if_false, value = code[counter]
        counter += 1
        tests = {0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value}
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x05:
            counter += value
        else:
            counter += if_true if tests[operation] else if_false


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        ({}, True),
        ({"includes": {"caps": ["CAP_CHOWN"]}}, True),
        ({"includes": {"caps": ["CAP_CHOWN", "CAP_KILL"]}}, False),
        ({"excludes": {"caps": ["CAP_CHOWN"]}}, False),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["arm64"]}}, True),
        ({"includes": {"minKernel": "6.1"}}, True),
        ({"includes": {"minKernel": "6.2"}}, False),
        ({"excludes": {"minKernel": "4.8"}}, False),
    ],
)
def test_a_rule_applies_only_where_its_conditions_hold(condition: dict[str, Any], applies: bool) -> None:
    section = oci_section(profile({"names": ["read"], **condition}), TARGET)
    assert names(section) == (["read"] if applies else [])


def test_the_native_architecture_brings_those_it_also_runs() -> None:
    arch_map = [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}]
    found = oci_section(profile(archMap=arch_map), TARGET)
    assert found["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]


def test_an_old_rule_with_one_name_is_understood() -> None:
    assert names(oci_section(profile({"name": "read"}), TARGET)) == ["read"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"defaultAction": 1}',
        '{"defaultAction": "x", "syscalls": {}}',
        '{"defaultAction": "x", "syscalls": [{}]}',
        '{"defaultAction": "x", "syscalls": [{"names": [1], "action": "x"}]}',
        '{"defaultAction": "x", "architectures": ["a"], "archMap": [{"architecture": "b"}]}',
        '{"defaultAction": "x", "syscalls": [{"name": "a", "action": "x", "args": [{"index": -1}]}]}',
        '{"defaultAction": "x", "syscalls": [{"name": "a", "action": "x", "includes": {"minKernel": "x"}}]}',
        "[" * 100_000,
    ],
)
def test_a_malformed_profile_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="Decoding seccomp profile failed"):
        parse_profile(text)


WORDS = "syscalls names name action args includes excludes caps arches minKernel archMap"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS.split()), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_profile_is_applied_or_refused(document: Any) -> None:
    text = json.dumps({"defaultAction": ALLOW, "syscalls": [document], "archMap": document})
    try:
        section = oci_section(parse_profile(text), TARGET)
    except InvalidParameter:
        return
    json.dumps(section)


def test_the_tightened_profile_needs_sys_admin_for_namespaces() -> None:
    packaged = profile({"names": ["read", "mount", "clone", "keyctl"]})
    section = oci_section(tightened(packaged), TARGET)
    refused = {name for rule in section["syscalls"] if rule["action"] == ERRNO for name in rule["names"]}
    assert {"mount", "unshare", "keyctl", "clone3"} <= refused
    powerful = oci_section(
        tightened(packaged), attrs.evolve(TARGET, capabilities=frozenset({"CAP_SYS_ADMIN"}))
    )
    assert "mount" in {
        name for rule in powerful["syscalls"] if rule["action"] == ALLOW for name in rule["names"]
    }


def test_a_program_answers_as_its_section_says() -> None:
    section = oci_section(
        {
            **profile(
                {"names": ["read", "no_such_syscall"]},
                {"names": ["personality"], "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
                {"names": ["unshare"], "action": ERRNO, "errnoRet": 1},
                architectures=["SCMP_ARCH_X86_64"],
            ),
            "defaultErrnoRet": 38,
        },
        TARGET,
    )
    program = compile_section(section)
    assert run(program, 0) == RETURN_ALLOW
    assert run(program, 1) == RETURN_ERRNO | 38
    assert run(program, 135, argument=8) == RETURN_ALLOW
    assert run(program, 135, argument=9) == RETURN_ERRNO | 38
    assert run(program, 272) == RETURN_ERRNO | 1


def test_another_architecture_is_killed() -> None:
    program = compile_section(oci_section(profile(architectures=["SCMP_ARCH_X86_64"]), TARGET))
    assert run(program, 0, architecture=0x40000003) == 0


@pytest.mark.parametrize(
    "broken",
    [
        profile({"names": ["read"], "action": "SCMP_ACT_FLY"}),
        profile({"names": ["read"], "args": [{"index": 0, "value": 1, "op": "rubbish"}]}),
        profile(architectures=["SCMP_ARCH_ABACUS"]),
    ],
)
def test_what_libseccomp_does_not_know_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        compile_section(oci_section(broken, TARGET))


async def test_containers_alike_share_one_filter() -> None:
    profiles = SeccompProfiles(HOST)
    first = await profiles.resolve(HostConfig(), accepts_bpf=True)
    assert isinstance(first, BpfSeccomp)
    assert await profiles.resolve(HostConfig(memory=1), accepts_bpf=True) is first
    assert await profiles.resolve(HostConfig(cap_add=("SYS_ADMIN",)), accepts_bpf=True) != first


async def test_a_runtime_without_bpf_gets_the_section() -> None:
    found = await SeccompProfiles(HOST).resolve(HostConfig(), accepts_bpf=False)
    assert isinstance(found, OciSeccomp)


async def test_the_packaged_profile_stops_user_namespaces() -> None:
    found = await SeccompProfiles(HOST).resolve(HostConfig(), accepts_bpf=True)
    assert isinstance(found, BpfSeccomp)
    program = base64.b64decode(found.program)
    assert run(program, 272) == RETURN_ERRNO | 1  # unshare
    assert run(program, 56, argument=0x10000000) == RETURN_ERRNO | 38  # clone(CLONE_NEWUSER)
    assert run(program, 56, argument=0x11) == RETURN_ALLOW  # clone(SIGCHLD), a fork
    assert run(program, 59) == RETURN_ALLOW  # execve


@pytest.mark.parametrize(
    "host_config", [HostConfig(privileged=True), HostConfig(security_opt=("seccomp=unconfined",))]
)
async def test_who_is_to_be_unconfined_has_no_filter(host_config: HostConfig) -> None:
    assert await SeccompProfiles(HOST).resolve(host_config, accepts_bpf=True) is None


async def test_a_clients_own_profile_is_taken_as_it_is() -> None:
    text = json.dumps(profile({"names": ["mount"]}, flags=["SECCOMP_FILTER_FLAG_LOG"]))
    found = await SeccompProfiles(HOST).resolve(
        HostConfig(security_opt=(f"seccomp={text}",)), accepts_bpf=True
    )
    assert isinstance(found, OciSeccomp)  # flags cannot be said in a program
    assert names(found.section) == ["mount"]


async def test_a_configured_profile_is_for_those_that_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(profile({"names": ["read"]})))
    found = await SeccompProfiles(HOST, path).resolve(HostConfig(), accepts_bpf=False)
    assert isinstance(found, OciSeccomp)
    assert names(found.section) == ["read"]
    assert await SeccompProfiles(HOST, Path("unconfined")).resolve(HostConfig(), accepts_bpf=False) is None


async def test_a_missing_profile_starts_nothing_unfiltered(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="cannot read the seccomp profile"):
        await SeccompProfiles(HOST, tmp_path / "none").resolve(HostConfig(), accepts_bpf=True)


async def test_no_more_filters_are_kept_than_that() -> None:
    profiles = SeccompProfiles(HOST)
    for number in range(KEPT + 5):
        text = json.dumps(profile({"names": [f"n{number}"]}))
        await profiles.resolve(HostConfig(security_opt=(f"seccomp={text}",)), accepts_bpf=False)
    assert len(profiles._made) == KEPT
