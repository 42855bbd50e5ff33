"""`docker logs` and `docker attach`: what was written, whole and in order, and what is written next."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clients.cli import Docker
from tests.clients.engine import Engine


def finished(docker: Docker, script: str, *options: str) -> str:
    container = docker.detached(*options, "busybox", "sh", "-c", script)
    docker("wait", container)
    return container


def test_both_streams_are_kept_apart(docker: Docker) -> None:
    container = finished(docker, "echo out; echo err >&2")
    result = docker("logs", container)
    assert (result.out, result.err) == ("out\n", "err\n")


def test_tail_counts_lines(docker: Docker) -> None:
    container = finished(docker, "seq 1 100")
    assert docker("logs", "--tail", "3", container).lines == ["98", "99", "100"]
    assert docker("logs", "--tail", "0", container).lines == []


def test_timestamps_come_first(docker: Docker) -> None:
    container = finished(docker, "echo hello")
    (line,) = docker("logs", "--timestamps", container).lines
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z hello", line)


def test_since_and_until_cut(docker: Docker) -> None:
    container = finished(docker, "echo one; sleep 1.2; echo two")
    stamps = [line.split()[0] for line in docker("logs", "--timestamps", container).lines]
    assert docker("logs", "--since", stamps[1], container).lines == ["two"]
    assert docker("logs", "--until", stamps[0], container).lines == ["one"]


def test_a_line_without_an_end_is_shown_as_it_is(docker: Docker) -> None:
    assert docker("logs", finished(docker, "printf 'no newline'")).out == "no newline"


def test_a_long_line_is_not_broken(docker: Docker) -> None:
    container = finished(docker, "head -c 100000 /dev/zero | tr '\\0' x; echo; echo end")
    assert docker("logs", container).lines == ["x" * 100000, "end"]


def test_follow_ends_when_the_container_does(docker: Docker) -> None:
    container = docker.detached("-i", "busybox", "sh", "-c", "echo first; read line; echo last")
    following = docker.start("logs", "-f", container)
    assert following.stdout is not None
    assert following.stdout.readline() == b"first\n"
    docker("attach", "--no-stdin=false", container, stdin=b"go\n")
    rest, _ = following.communicate(timeout=60)
    assert (rest, following.returncode) == (b"last\n", 0)


def test_follow_of_a_container_that_has_ended_ends(docker: Docker) -> None:
    assert docker("logs", "-f", finished(docker, "echo done")).out == "done\n"


def test_nothing_is_lost_of_much_output(docker: Docker) -> None:
    container = finished(docker, "seq 1 200000")
    assert docker("logs", container).lines == [str(n) for n in range(1, 200001)]


def test_attach_shows_what_comes_next_and_passes_the_exit_code_on(docker: Docker) -> None:
    script = "read line; echo $line; exit 2"
    container = docker.detached("-i", "busybox", "sh", "-c", script)
    attached = docker.start("attach", container)
    assert attached.stdin is not None
    assert attached.stdout is not None
    attached.stdin.write(b"typed\n")  # not closed: that would end the session before the answer
    attached.stdin.flush()
    assert attached.stdout.read() == b"typed\n"
    attached.communicate(timeout=60)
    assert attached.returncode == 2


def test_a_client_that_only_listens_does_not_end_the_input_when_it_leaves(docker: Docker) -> None:
    attaches = ("events", "--since=1m", "--until=0s", "--filter=event=attach", "--filter=container=talks")
    with docker.start("run", "-i", "--name", "talks", "busybox", "cat") as owner:
        assert owner.stdin is not None
        assert owner.stdout is not None
        owner.stdin.write(b"one\n")
        owner.stdin.flush()
        assert owner.stdout.readline() == b"one\n"
        with docker.start("attach", "--no-stdin", "talks") as listener:
            assert listener.stdout is not None
            while docker(*attaches).out.count(" attach ") < 2:
                pass  # each look takes a process: no need to sleep
            owner.stdin.write(b"two\n")
            owner.stdin.flush()
            assert listener.stdout.readline() == b"two\n"
            listener.kill()
        owner.stdin.write(b"three\n")
        owner.stdin.close()
        assert owner.stdout.read() == b"two\nthree\n"
        assert owner.wait(60) == 0
    docker("rm", "talks")


def test_attach_replays_logs_if_asked_to(engine: Engine, docker: Docker) -> None:
    # By hand, since the CLI never asks, and docker-py drops what comes together with the answer's head.
    container = finished(docker, "echo said")
    head = "HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    with engine.connect() as connection:
        connection.sendall(f"POST /containers/{container}/attach?logs=1&stdout=1&stderr=1 {head}".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"\r\n\r\n\x01\0\0\0\0\0\0\x05said\n")


def test_logs_of_a_container_that_never_ran_are_empty(docker: Docker) -> None:
    assert docker("logs", docker("create", "busybox").out.strip()).out == ""


# --- a log with a maximum size

SIZED = ("--log-opt", "max-size=10k")


def log_size_bytes(docker: Docker, container: str) -> int:
    return Path(docker.inspect(container)["LogPath"]).stat().st_size


def test_a_log_is_no_larger_than_its_maximum_and_keeps_what_came_last(docker: Docker) -> None:
    container = finished(docker, "seq 1 20000", *SIZED)
    kept = docker("logs", container).lines
    assert 0 < log_size_bytes(docker, container) <= 10_000
    assert kept == [str(n) for n in range(20_001 - len(kept), 20_001)]
    assert docker("logs", "--tail", "2", container).lines == ["19999", "20000"]
    log_config = docker.inspect(container)["HostConfig"]["LogConfig"]
    assert log_config == {"Type": "json-file", "Config": {"max-size": "10k"}}


def test_a_follower_sees_every_line_across_replacements(docker: Docker) -> None:
    script = "while read n && [ $n != end ]; do seq $n $((n + 49)); done"
    container = docker.detached("-i", *SIZED, "busybox", "sh", "-c", script)
    log = Path(docker.inspect(container)["LogPath"])
    replacements, before = 0, log.stat().st_ino
    following, attached = docker.start("logs", "-f", container), docker.start("attach", container)
    assert following.stdout is not None
    assert attached.stdin is not None
    for first in range(1, 1000, 50):
        attached.stdin.write(f"{first}\n".encode())
        attached.stdin.flush()
        # The next lines are asked for when these have been followed: no log is replaced unread.
        assert [int(following.stdout.readline()) for _ in range(50)] == list(range(first, first + 50))
        assert log.stat().st_size <= 10_000
        replacements += log.stat().st_ino != before
        before = log.stat().st_ino
    attached.stdin.write(b"end\n")
    attached.stdin.flush()
    assert following.stdout.read() == b""
    assert replacements > 2
    assert (attached.wait(60), following.wait(60)) == (0, 0)
    for client in (following, attached):
        client.communicate()


def test_a_log_that_is_full_when_its_container_starts_again_begins_anew(docker: Docker) -> None:
    container = docker("create", *SIZED, "busybox", "seq", "180").out.strip()  # 8.6 kB
    kept = []
    for _ in range(3):
        docker("start", "--attach", container)
        kept.append(len(docker("logs", container).lines))
    assert kept == [180, 360, 180]


def test_labels_and_variables_named_by_log_options_are_details(docker: Docker) -> None:
    options = ("--label", "tier=front end", "-e", "STAGE=test", "--log-opt", "labels=tier,none")
    container = finished(docker, "echo said", *options, "--log-opt", "env=STAGE")
    assert docker("logs", "--details", container).out == "STAGE=test,tier=front%20end said\n"


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("max-size=10x", "invalid size: '10x'"),
        ("colour=red", "unknown log opt 'colour' for json-file log driver"),
        ("tag=x", "not supported yet"),
    ],
)
def test_a_log_option_that_cannot_be_honoured_is_refused(docker: Docker, option: str, text: str) -> None:
    refused = docker("create", "--log-opt", option, "busybox", ok=False)
    assert refused.code != 0
    assert text in refused.err
