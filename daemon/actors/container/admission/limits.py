"""Which resource limits make sense, on their own, together and on this host."""

from __future__ import annotations

import re
from typing import Final

from daemon.actors.container.admission.rules import Case, Rule

SMALLEST_MEMORY_BYTES: Final = 6 << 20
UNLIMITED: Final = -1
_NANO: Final = 1_000_000_000
_CPU_LIST: Final = re.compile(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*")


def _highest(text: str) -> int:
    return max(int(number) for number in re.findall(r"\d+", text))


def _is_list(text: str) -> bool:
    """Tell whether `text` names processors or memory nodes: numbers and ranges that do not run backwards."""
    ranges = (re.findall(r"\d+", part) for part in text.split(","))
    return bool(_CPU_LIST.fullmatch(text)) and all(int(one[0]) <= int(one[-1]) for one in ranges)


def _beyond_host(case: Case) -> bool:
    cpus = case.host_config.cpuset_cpus
    return bool(cpus) and _highest(cpus) >= case.host.cpus


RESOURCES: Final = (
    Rule(
        lambda case: case.host_config.memory and case.host_config.memory < SMALLEST_MEMORY_BYTES,
        "Minimum memory limit allowed is 6MB",
    ),
    Rule(
        lambda case: 0 < case.host_config.memory_swap < case.host_config.memory,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    ),
    Rule(
        lambda case: case.host_config.memory == 0 and case.host_config.memory_swap > 0,
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    ),
    Rule(
        lambda case: case.host_config.memory_swap < UNLIMITED,
        "invalid memory swap limit: {h.memory_swap}",
    ),
    Rule(
        lambda case: not 0 <= (case.host_config.memory_swappiness or 0) <= 100,
        "invalid value: {h.memory_swappiness}, valid memory swappiness range is 0-100",
    ),
    Rule(
        lambda case: (
            case.host_config.memory_reservation
            and case.host_config.memory_reservation < SMALLEST_MEMORY_BYTES
        ),
        "Minimum memory reservation allowed is 6MB",
    ),
    Rule(
        lambda case: 0 < case.host_config.memory < case.host_config.memory_reservation,
        "Minimum memory limit can not be less than memory reservation limit, see usage",
    ),
    Rule(
        lambda case: case.host_config.nano_cpus and case.host_config.cpu_period,
        "Conflicting options: Nano CPUs and CPU Period cannot both be set",
    ),
    Rule(
        lambda case: case.host_config.nano_cpus and case.host_config.cpu_quota,
        "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
    ),
    Rule(
        lambda case: not 0 <= case.host_config.nano_cpus <= case.host.cpus * _NANO,
        "range of CPUs is from 0.01 to {host.cpus}.00, as there are only {host.cpus} CPUs available",
    ),
    Rule(
        lambda case: 0 < case.host_config.nano_cpus < _NANO // 100,
        "range of CPUs is from 0.01 to {host.cpus}.00, as there are only {host.cpus} CPUs available",
    ),
    Rule(
        lambda case: case.host_config.cpu_shares < 0,
        "invalid CPU shares ({h.cpu_shares}): value must be a positive integer",
    ),
    Rule(
        lambda case: case.host_config.cpu_period and not 1000 <= case.host_config.cpu_period <= 1_000_000,
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
    ),
    Rule(
        lambda case: 0 < case.host_config.cpu_quota < 1000,
        "CPU cfs quota can not be less than 1ms (i.e. 1000)",
    ),
    Rule(
        lambda case: case.host_config.cpuset_cpus and not _is_list(case.host_config.cpuset_cpus),
        "Invalid value {h.cpuset_cpus} for cpuset cpus",
    ),
    Rule(
        lambda case: case.host_config.cpuset_mems and not _is_list(case.host_config.cpuset_mems),
        "Invalid value {h.cpuset_mems} for cpuset mems",
    ),
    Rule(
        _beyond_host,
        "Requested CPUs are not available - requested {h.cpuset_cpus}, this host has {host.cpus}",
    ),
    Rule(
        lambda case: case.host_config.blkio_weight and not 10 <= case.host_config.blkio_weight <= 1000,
        "Range of blkio weight is from 10 to 1000",
    ),
    Rule(
        lambda case: not -1000 <= case.host_config.oom_score_adj <= 1000,
        "Invalid value {h.oom_score_adj}, range for oom score adj is [-1000, 1000]",
    ),
    Rule(lambda case: (case.host_config.pids_limit or 0) < UNLIMITED, "invalid PIDs limit: {h.pids_limit}"),
    Rule(lambda case: case.host_config.shm_size < 0, "SHM size can not be less than 0"),
)
