"""What runtimes say of themselves, whatever they are; scripts stand in for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs

from daemon.runtimes.features import AT_ONCE, OUTPUT_BYTES, FeatureProbe

LIMIT_SECONDS = 60.0  # never reached: only not to hang
HANGS = "exec sleep 1000"


def program(path: Path, script: str) -> str:
    """Write a runtime that notes each call and then does what `script` says."""
    new = path.with_suffix(".new")
    new.write_text(f'#!/bin/sh\necho "$@" >> {path}.calls\n{script}\n')
    new.chmod(0o755)
    new.rename(path)
    return str(path)


def calls(runtime: str) -> list[str]:
    return Path(f"{runtime}.calls").read_text().splitlines()


async def test_a_document_is_returned_as_the_runtime_printed_it(tmp_path: Path) -> None:
    runtime = program(tmp_path / "runtime", """echo '{"ociVersionMin": "1.0.0", "hooks": ["prestart"]}'""")
    expected = {runtime: {"ociVersionMin": "1.0.0", "hooks": ["prestart"]}}
    assert await FeatureProbe(LIMIT_SECONDS).probe([runtime]) == expected
    assert calls(runtime) == ["features"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo unknown command features >&2; exit 1", "unknown command features"),
        ("exit 3", "exit status 3"),
        ("kill -9 $$", "exit status -9"),
        ("echo '{}'; exit 1", "exit status 1"),
        ("echo nonsense", "invalid literal"),
        ("echo '[]'", "no JSON object"),
        ('echo \'{"a": "\\ud800"}\'', "surrogate"),
        ('printf \'{"a": "\\377"}\'', "UTF-8"),
        ("printf '%2000s' '' | tr ' ' '['", "depth limit"),
        ("exit 0", "empty"),
    ],
)
async def test_what_is_no_document_is_none_and_the_log_says_why(
    tmp_path: Path, script: str, reason: str
) -> None:
    runtime = program(tmp_path / "runtime", script)
    with capture_logs() as logs:
        assert await FeatureProbe(LIMIT_SECONDS).probe([runtime]) == {runtime: None}
    assert [line["path"] for line in logs] == [runtime]
    assert reason.lower() in logs[0]["reason"].lower()


async def test_output_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    counted = f"echo '{{}}'; head -c 100000000 /dev/zero; echo $? > {tmp_path}/head"
    runtime = program(tmp_path / "runtime", counted)
    assert await FeatureProbe(LIMIT_SECONDS).probe([runtime]) == {runtime: None}
    assert (tmp_path / "head").read_text() == "1\n"  # it could not write it all


async def test_a_document_may_be_as_long_as_the_limit(tmp_path: Path) -> None:
    text = "x" * (OUTPUT_BYTES - len('{"a":""}'))
    (tmp_path / "document").write_text(f'{{"a":"{text}"}}')
    runtime = program(tmp_path / "runtime", f"cat {tmp_path}/document")
    assert await FeatureProbe(LIMIT_SECONDS).probe([runtime]) == {runtime: {"a": text}}


@pytest.mark.parametrize(
    "path", ["/nonesuch/runtime", "relative", "", "nul\0", "/etc", "/etc/hostname/runtime"]
)
async def test_what_cannot_be_run_is_none(path: str) -> None:
    assert await FeatureProbe(LIMIT_SECONDS).probe([path]) == {path: None}


async def test_what_a_runtime_that_hangs_has_started_is_killed_with_it(tmp_path: Path) -> None:
    child = tmp_path / "child"
    binary = program(
        tmp_path / "runtime", f"sleep 1000 & echo $! > {child}.new; mv {child}.new {child}; wait"
    )
    probe = FeatureProbe(limit_seconds=LIMIT_SECONDS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(probe.probe, [binary])
        with trio.fail_after(LIMIT_SECONDS):
            while not child.exists():
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    with trio.fail_after(LIMIT_SECONDS):
        while is_alive(int(child.read_text())):
            await trio.lowlevel.checkpoint()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has reaped yet does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


async def test_a_runtime_that_hangs_is_killed_and_not_waited_for_again(tmp_path: Path) -> None:
    runtime = program(tmp_path / "runtime", HANGS)
    probe = FeatureProbe(limit_seconds=0.05)
    with trio.fail_after(LIMIT_SECONDS):
        assert await probe.probe([runtime]) == {runtime: None}
        probe.limit_seconds = 1e6
        assert await probe.probe([runtime]) == {runtime: None}


async def test_a_probe_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    runtime = program(tmp_path / "runtime", f"echo $$ > {fifo}; {HANGS}")
    with trio.fail_after(LIMIT_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(FeatureProbe(LIMIT_SECONDS).probe, [runtime])
            pid = int(await trio.to_thread.run_sync(fifo.read_text))
            nursery.cancel_scope.cancel()
    assert not Path(f"/proc/{pid}").exists()


async def test_runtimes_are_asked_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    pair = [
        program(tmp_path / "one", f"cat {fifo}"),
        program(tmp_path / "other", f"echo '{{}}' | tee {fifo}"),
    ]
    assert await FeatureProbe(LIMIT_SECONDS).probe(pair) == {runtime: {} for runtime in pair}


async def test_more_runtimes_than_are_asked_at_once_all_answer(tmp_path: Path) -> None:
    runtimes = [
        program(tmp_path / str(number), f"echo '{{\"n\": {number}}}'") for number in range(AT_ONCE + 2)
    ]
    expected = {runtime: {"n": number} for number, runtime in enumerate(runtimes)}
    assert await FeatureProbe(LIMIT_SECONDS).probe(runtimes) == expected


async def test_a_runtime_is_asked_once(tmp_path: Path) -> None:
    runtimes = [program(tmp_path / "good", "echo '{}'"), program(tmp_path / "bad", "exit 1")]
    probe = FeatureProbe(LIMIT_SECONDS)
    first = await probe.probe(runtimes)
    assert await probe.probe(runtimes) == first
    assert [calls(runtime) for runtime in runtimes] == [["features"], ["features"]]


async def test_a_runtime_that_was_replaced_is_asked_anew(tmp_path: Path) -> None:
    runtime = program(tmp_path / "runtime", """echo '{"v": 1}'""")
    probe = FeatureProbe(LIMIT_SECONDS)
    await probe.probe([runtime])
    program(tmp_path / "runtime", """echo '{"v": 2}'""")
    assert await probe.probe([runtime]) == {runtime: {"v": 2}}


async def test_a_runtime_that_is_made_executable_is_asked(tmp_path: Path) -> None:
    runtime = program(tmp_path / "runtime", "echo '{}'")
    Path(runtime).chmod(0o600)
    probe = FeatureProbe(LIMIT_SECONDS)
    assert await probe.probe([runtime]) == {runtime: None}
    Path(runtime).chmod(0o700)
    assert await probe.probe([runtime]) == {runtime: {}}


async def test_what_is_not_asked_for_any_more_is_forgotten(tmp_path: Path) -> None:
    runtime = program(tmp_path / "runtime", "echo '{}'")
    probe = FeatureProbe(LIMIT_SECONDS)
    for asked in ([runtime], [], [runtime]):
        await probe.probe(asked)
    assert calls(runtime) == ["features", "features"]


async def test_nothing_of_our_environment_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    runtime = program(tmp_path / "runtime", 'echo "{\\"told\\": \\"$NOTIFY_SOCKET\\"}"')
    assert await FeatureProbe(LIMIT_SECONDS).probe([runtime]) == {runtime: {"told": ""}}
