from __future__ import annotations

import contextlib
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.errors import InvalidParameter
from daemon.images.changes import apply_changes
from daemon.model import Config, Healthcheck


@pytest.mark.parametrize(
    ("changes", "cmd"),
    [
        (['ENTRYPOINT ["/x"]'], None),
        (['CMD ["z"]', 'ENTRYPOINT ["/x"]'], ("z",)),
        (['ENTRYPOINT ["/x"]', 'CMD ["z"]'], ("z",)),
        (["USER u"], ("old",)),
    ],
)
def test_a_new_entrypoint_takes_the_old_command_away(changes: list[str], cmd: tuple[str, ...] | None) -> None:
    assert apply_changes(Config(cmd=("old",)), changes).cmd == cmd


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (['CMD ["a", "b c"]'], Config(cmd=("a", "b c"))),
        (["CMD echo hi"], Config(cmd=("/bin/sh", "-c", "echo hi"))),
        (
            ['SHELL ["/bin/ash", "-x"]', "ENTRYPOINT run"],
            Config(shell=("/bin/ash", "-x"), entrypoint=("/bin/ash", "-x", "run")),
        ),
        (["ENV A=1 B='2 3'", "ENV A=4", "env C d e"], Config(env=("A=4", "B=2 3", "C=d e"))),
        (["EXPOSE 80 53/udp"], Config(exposed_ports={"80/tcp": {}, "53/udp": {}})),
        (['LABEL a="b c" d='], Config(labels={"a": "b c", "d": ""})),
        (["USER me:us"], Config(user="me:us")),
        (["WORKDIR /a", "WORKDIR b"], Config(working_dir="/a/b")),
        (["WORKDIR b"], Config(working_dir="/b")),
        (['VOLUME ["/a", "/b"]', "VOLUME /c"], Config(volumes={"/a": {}, "/b": {}, "/c": {}})),
        (["STOPSIGNAL SIGINT"], Config(stop_signal="SIGINT")),
        (["ONBUILD RUN x", "ONBUILD RUN y"], Config(on_build=("RUN x", "RUN y"))),
        (["HEALTHCHECK NONE"], Config(healthcheck=Healthcheck(test=("NONE",)))),
        (
            ["HEALTHCHECK --interval=1m30s --retries=3 CMD curl x"],
            Config(healthcheck=Healthcheck(test=("CMD-SHELL", "curl x"), interval=90 * 10**9, retries=3)),
        ),
        (["", "# a comment", "USER a\nUSER b"], Config(user="b")),
        (["ENV A=1 \\\n  B=2"], Config(env=("A=1", "B=2"))),
        (["CMD []", "ENTRYPOINT []"], Config(cmd=())),
        (
            ["EXPOSE 80-82/udp 90"],
            Config(exposed_ports={"80/udp": {}, "81/udp": {}, "82/udp": {}, "90/tcp": {}}),
        ),
    ],
)
def test_instructions_change_the_config(changes: list[str], expected: Config) -> None:
    assert apply_changes(Config(), changes) == expected


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("RUN x", "dockerfile parse error line 1: unknown instruction: RUN"),
        ("CMD", "CMD requires at least one argument"),
        ("EXPOSE 0", "invalid containerPort: 0"),
        ("EXPOSE 1/sctpx", "invalid containerPort"),
        ("ENV A=1 B", "can't find ="),
        ("ENV A='1", "ends too early"),
        ("ENV A", "has no value"),
        ("LABEL $A=1", "names can not be blank"),
        ('CMD ["a", 1]', "must be made of strings"),
        ("EXPOSE 80-70", "invalid containerPort: 80-70"),
        ("EXPOSE 80-65536", "invalid containerPort"),
        ("VOLUME []", "VOLUME requires paths"),
        ('VOLUME ["/a", ""]', "VOLUME requires paths"),
        ("WORKDIR $A", "is no path"),
        ("ONBUILD from x", "FROM isn't allowed as an ONBUILD trigger"),
        ("HEALTHCHECK --interval=1us CMD a", "less than 1ms"),
        ("SHELL sh", "JSON form"),
        ("HEALTHCHECK --interval=x CMD a", "invalid duration"),
        ("HEALTHCHECK --interval=2562048h CMD a", "invalid duration"),  # more than 64 bits of nanoseconds
        (f"HEALTHCHECK --interval={'9' * 400}h CMD a", "invalid duration"),
        (f"HEALTHCHECK --retries={'9' * 20} CMD a", "unknown flag"),
        ("HEALTHCHECK --retry=1 CMD a", "unknown flag"),
        ("HEALTHCHECK maybe", "NONE and CMD"),
    ],
)
def test_malformed_instructions_are_refused(change: str, text: str) -> None:
    with pytest.raises(InvalidParameter, match=text):
        apply_changes(Config(), [change])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("ENV PATH=$PATH:/opt/bin", {"env": ("PATH=/bin:/opt/bin", "N=8")}),
        ("ENV N=9 M=$N", {"env": ("PATH=/bin", "N=9", "M=8")}),  # of before the instruction
        ("ENV M $N and '$N'", {"env": ("PATH=/bin", "N=8", "M=8 and $N")}),
        ("LABEL $N=\"<$PATH>\" 'a b'=$N", {"labels": {"8": "</bin>", "a b": "8"}}),
        ("EXPOSE ${N}0 9$N", {"exposed_ports": {"80/tcp": {}, "98/tcp": {}}}),
        ("USER u$N", {"user": "u8"}),
        ("WORKDIR /w/$N", {"working_dir": "/w/8"}),
        ("VOLUME /v/$N", {"volumes": {"/v/8": {}}}),
        ('VOLUME ["/v $N"]', {"volumes": {"/v 8": {}}}),
        ("STOPSIGNAL $N", {"stop_signal": "8"}),
        ("CMD echo $N", {"cmd": ("/bin/sh", "-c", "echo $N")}),  # the container's shell does that
        ("ONBUILD RUN $N", {"on_build": ("RUN $N",)}),
    ],
)
def test_instructions_refer_to_the_environment_so_far(change: str, expected: dict[str, Any]) -> None:
    config = Config(env=("PATH=/bin", "N=8"))
    assert apply_changes(config, [change]) == attrs.evolve(config, **expected)


@given(
    st.sampled_from(
        ["CMD", "ENV", "EXPOSE", "LABEL", "VOLUME", "HEALTHCHECK", "SHELL", "WORKDIR", "ONBUILD"]
    ),
    st.text(),
)
def test_any_instruction_is_carried_out_or_refused(instruction: str, argument: str) -> None:
    with contextlib.suppress(InvalidParameter):
        apply_changes(Config(), [f"{instruction} {argument}"])
