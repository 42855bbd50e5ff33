"""All measures in the order they are taken, with the bars that issues 2 to 6 set for Longshore."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from benchmarks.figures import Bar
from benchmarks.measure import Measure
from benchmarks.measures import (
    bridge,
    copying,
    crowd,
    events,
    health,
    hundred,
    images,
    layered,
    lifecycle,
    memory,
    output,
    reads,
    reload,
    stats,
    stuck,
    throughput,
)

NO_RELOAD: Final = {"podman": "it has no reload, its service reads the configuration when it starts"}
NO_RELOAD_CALL: Final = {**NO_RELOAD, "dockerd": "it reloads on SIGHUP alone"}
NO_TIMERS: Final = {"podman": "its health checks need timers of systemd"}

NO_NEW_RUNTIME: Final = {"podman": "its service knows the runtimes it was started with"}


amid_a_crowd = partial(Measure, setting=crowd.crowd, unable=NO_RELOAD)
amid_a_hundred = partial(Measure, setting=hundred.hundred)
between_two = partial(
    Measure,
    unit="MB/s",
    bars=(Bar(1, "dockerd"),),
    higher_is_better=True,
    setting=throughput.pair,
    most_rounds=5,
)


pulled = partial(Measure, setting=images.stocked)
packed = partial(
    Measure,
    unit="MB/s",
    bars=(Bar(1.5, "dockerd"),),
    higher_is_better=True,
    setting=images.stocked,
    most_rounds=3,
)
copied = partial(
    Measure,
    unit="MB/s",
    bars=(Bar(300),),
    higher_is_better=True,
    setting=copying.copied,
    most_rounds=5,
)


def _slowdown(name: str, call: Callable[[Any], object]) -> Measure:
    take = partial(reload.slowdown, call=call)
    return amid_a_crowd(f"reload-{name}", "x", take, (Bar(2),), most_rounds=1)


MEASURES: Final = (
    Measure("idle-memory", "MiB", memory.idle, (Bar(90),), most_rounds=1),  # before anything else is done
    Measure("create", "ms", lifecycle.create, on_floor=True),
    Measure("start", "ms", lifecycle.start, (Bar(1.4, "floor"), Bar(0.25, "dockerd")), on_floor=True),
    Measure("life", "ms", lifecycle.whole_life, (Bar(1.3, "floor"),), on_floor=True),
    Measure("kill-wait", "ms", lifecycle.kill_and_wait, (Bar(8),), on_floor=True),
    Measure("remove", "ms", lifecycle.remove, on_floor=True),
    Measure("exec", "ms", lifecycle.attached_exec, (Bar(25),), on_floor=True),
    Measure(
        "parallel-runs",
        "/s",
        lifecycle.parallel_runs,
        (Bar(25),),
        higher_is_better=True,
        most_rounds=5,
        on_floor=True,
    ),
    Measure("ping", "ms", reads.ping),
    Measure("inspect", "ms", reads.inspect, (Bar(1),)),
    Measure("list-300", "ms", reads.list_containers, (Bar(3),)),
    Measure(
        "attach-lines",
        "MB/s",
        output.attached_lines,
        (Bar(150),),
        higher_is_better=True,
        most_rounds=2,
        on_floor=True,
    ),
    Measure(
        "attach-zeros",
        "MB/s",
        output.attached_zeros,
        (Bar(150),),
        higher_is_better=True,
        most_rounds=2,
        on_floor=True,
    ),
    Measure("logs", "MB/s", output.logs, (Bar(150),), higher_is_better=True, most_rounds=3),
    Measure("logs-tail", "ms", output.logs_tail, (Bar(5),), most_rounds=5),
    Measure("late-events", "%", events.late_events, (Bar(0),), statistic="mean"),
    Measure("busy-calls", "ms", output.calls_while_streaming, (Bar(20),), statistic="p99", most_rounds=5),
    Measure("container-memory", "MiB", memory.per_container, (Bar(1),), most_rounds=1),
    Measure("probe", "ms CPU", health.per_probe, (Bar(10),), most_rounds=5, unable=NO_TIMERS),
    Measure("events-slowdown", "%", events.slowdown, (Bar(5),), most_rounds=4),
    Measure(
        "stuck-reads",
        "ms",
        partial(stuck.reads, targets=stuck.READS),
        (Bar(10),),
        "p99",
        most_rounds=5,
        unable=NO_NEW_RUNTIME,
    ),
    Measure(
        "stuck-top",
        "ms",
        partial(stuck.reads, targets=stuck.TOP),
        statistic="p99",
        most_rounds=5,
        unable=NO_NEW_RUNTIME,
    ),
    Measure("bridge-start", "ms", bridge.plumbing, (Bar(12),)),
    Measure("bridge-life", "ms", bridge.life, (Bar(0.35, "dockerd"),)),
    Measure("bridge-among-200", "x", bridge.start_among_many, (Bar(1.1),), setting=bridge.crowded),
    Measure("none-among-200", "x", bridge.unplugged_among_many, setting=bridge.crowded),
    Measure("ports-start", "x", bridge.start_with_ports, (Bar(2),), most_rounds=5),
    Measure("ports-memory", "MiB", bridge.ports_memory, (Bar(10),), most_rounds=1, setting=bridge.published),
    Measure("ports-kernel", "MiB", bridge.ports_in_kernel, most_rounds=1, setting=bridge.published),
    between_two("bridge-throughput", take=throughput.between_containers),
    between_two("ports-throughput", take=throughput.to_published),
    between_two("ports-loopback", take=throughput.to_published_on_loopback),
    amid_a_hundred("storm-list", "ms", hundred.list_in_a_storm, (Bar(30),), "p99", most_rounds=3),
    amid_a_hundred("stats", "ms CPU", stats.per_record, most_rounds=3),
    amid_a_hundred("restart", "ms", hundred.restart, (Bar(1000),), most_rounds=5),
    amid_a_crowd("reload", "ms", partial(reload.by_signal, edit=crowd.all_arguments), (Bar(50),), "p99"),
    amid_a_crowd("reload-same", "ms", partial(reload.by_signal, edit=crowd.nothing)),
    amid_a_crowd("reload-level", "ms", partial(reload.by_signal, edit=crowd.log_level)),
    amid_a_crowd(
        "reload-call",
        "ms",
        partial(reload.by_call, edit=crowd.all_arguments),
        (Bar(50),),
        "p99",
        unable=NO_RELOAD_CALL,
    ),
    _slowdown("ping", reload.ping),
    _slowdown("list", reload.fetch_list),
    _slowdown("inspect", reload.inspect),
    _slowdown("create", reload.create_and_remove),
    amid_a_crowd(
        "reload-files", "", partial(reload.growth, weigh=reload.open_files), (Bar(0),), most_rounds=1
    ),
    amid_a_crowd("reload-memory", "MiB", partial(reload.growth, weigh=reload.memory), most_rounds=1),
    pulled("pull-memory", "MiB", images.pull_memory, (Bar(64),), most_rounds=1),  # before any other pull
    pulled("pull-layers", "ms", images.pull_layers, (Bar(0.8, "dockerd"),), most_rounds=3),
    pulled("pull-one", "ms", images.pull_one, (Bar(0.8, "dockerd"),), most_rounds=3),
    pulled("pull-helpers", "MiB", images.pull_helpers, most_rounds=1),
    pulled("pull-reads", "ms", images.pull_reads, (Bar(30),), "p99", most_rounds=2),
    packed("load", take=images.load),
    packed("save", take=images.save),
    Measure("create-60", "x", layered.create, (Bar(1.1),), setting=layered.layered),
    Measure("start-60", "x", layered.start, setting=layered.layered, most_rounds=3),
    copied("cp-in", take=copying.into),
    copied("cp-out", take=copying.out_of),
    Measure("used-memory", "MiB", memory.idle, most_rounds=1),  # after everything else was done
)
