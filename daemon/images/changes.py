"""Dockerfile instructions as `import` and `commit` take them: one change to a config each.

Variables in them are those that the config has so far.  Only instructions that change the config are known
here; what builds is another's matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
import orjson

from daemon.errors import InvalidParameter
from daemon.images import words
from daemon.model import Config, Healthcheck

_CONTINUED: Final = re.compile(r"\\[ \t]*\r?\n")
_PORTS: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE | re.ASCII)
_DURATION: Final = re.compile(r"(\d{1,19}(?:\.\d{1,19})?)(ms|us|ns|h|m|s)", re.ASCII)
_RETRIES: Final = re.compile(r"\d{1,9}", re.ASCII)
_LONGEST_NS: Final = (1 << 63) - 1
_UNIT_NS: Final = MappingProxyType(
    {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
)
_SHORTEST_NS: Final = 1_000_000
_SHELL: Final = ("/bin/sh", "-c")
_NO_TRIGGERS: Final = frozenset({"FROM", "MAINTAINER", "ONBUILD"})


def apply_changes(config: Config, changes: Iterable[str]) -> Config:
    """Return `config` with every instruction of `changes` carried out, in order.

    A new entrypoint takes the old command away, which was meant for another program.

    Raises:
        InvalidParameter: an instruction is unknown or malformed.

    """
    done = set[str]()
    lines = (line for change in changes for line in _CONTINUED.sub("", change).splitlines())
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        instruction, _, argument = line.strip().partition(" ")
        change = _INSTRUCTIONS.get(instruction.upper())
        if change is None:
            raise InvalidParameter(
                f"dockerfile parse error line {number}: unknown instruction: {instruction.upper()}"
            )
        if not argument.strip():
            raise InvalidParameter(
                f"dockerfile parse error line {number}: {instruction.upper()} requires at least one argument"
            )
        config = change(config, argument.strip())
        done.add(instruction.upper())
    return attrs.evolve(config, cmd=None) if "ENTRYPOINT" in done and "CMD" not in done else config


def _command(config: Config, argument: str) -> tuple[str, ...]:
    """Return the JSON form as it is, the other form as an argument of the shell."""
    listed = _list(argument)
    return (*(config.shell or _SHELL), argument) if listed is None else listed


def _list(argument: str) -> tuple[str, ...] | None:
    """Read the JSON form; None is any other."""
    try:
        found = orjson.loads(argument)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, list):
        return None
    if not all(isinstance(item, str) for item in found):
        raise InvalidParameter(f"dockerfile parse error: a JSON array must be made of strings: {argument}")
    return tuple(found)


def _variables(config: Config) -> dict[str, str]:
    """Return what an instruction may refer to: the environment so far."""
    pairs = (entry.partition("=") for entry in config.env or ())
    return {name: value for name, _, value in pairs}


def _pairs(config: Config, argument: str) -> dict[str, str]:
    """Read `key=value key="another value"`, or the old form `key value`."""
    written = words.split(argument)
    if "=" not in written[0]:
        if len(written) == 1:
            raise InvalidParameter(f"dockerfile parse error: {argument!r} has no value")
        written = ["=".join(argument.split(maxsplit=1))]
    variables, pairs = _variables(config), dict[str, str]()
    for word in written:
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidParameter(
                f"dockerfile parse error: can't find = in {word!r}. Must be of the form: name=value"
            )
        name = words.expand(key, variables)
        if not name:
            raise InvalidParameter(f"dockerfile parse error: names can not be blank: {word!r}")
        pairs[name] = words.expand(value, variables)
    return pairs


def _env(config: Config, argument: str) -> Config:
    known = {entry.partition("=")[0]: entry for entry in config.env or ()}
    said = {key: f"{key}={value}" for key, value in _pairs(config, argument).items()}
    return attrs.evolve(config, env=tuple((known | said).values()))


def _label(config: Config, argument: str) -> Config:
    return attrs.evolve(config, labels={**(config.labels or {}), **_pairs(config, argument)})


def _expose(config: Config, argument: str) -> Config:
    variables, ports = _variables(config), dict[str, Any](config.exposed_ports or {})
    for word in words.split(argument):
        for spec in words.expand(word, variables).split():
            ports |= {port: {} for port in _ports(spec)}
    return attrs.evolve(config, exposed_ports=ports)


def _ports(spec: str) -> list[str]:
    """Return the ports of `80`, `80/udp` or `80-90`."""
    found = _PORTS.fullmatch(spec)
    first = int(found[1]) if found else 0
    last = int(found[2]) if found and found[2] else first
    if found is None or not 0 < first <= last < 1 << 16:
        raise InvalidParameter(f"invalid containerPort: {spec}")
    return [f"{port}/{(found[3] or 'tcp').lower()}" for port in range(first, last + 1)]


def _volume(config: Config, argument: str) -> Config:
    listed, variables = _list(argument), _variables(config)
    paths = [words.expand(path, variables) for path in (argument.split() if listed is None else listed)]
    if not paths or "" in paths:
        raise InvalidParameter("dockerfile parse error: VOLUME requires paths, none of them empty")
    return attrs.evolve(config, volumes={**(config.volumes or {}), **{path: {} for path in paths}})


def _one(config: Config, argument: str) -> str:
    """Read the only argument of an instruction."""
    return words.expand(argument, _variables(config))


def _workdir(config: Config, argument: str) -> Config:
    path = _one(config, argument)
    if not path:
        raise InvalidParameter(f"dockerfile parse error: WORKDIR {argument} is no path")
    base = "" if path.startswith("/") else config.working_dir.rstrip("/") + "/"
    return attrs.evolve(config, working_dir=base + path)


def _on_build(config: Config, argument: str) -> Config:
    trigger = argument.split()[0].upper()
    if trigger in _NO_TRIGGERS:
        raise InvalidParameter(f"dockerfile parse error: {trigger} isn't allowed as an ONBUILD trigger")
    return attrs.evolve(config, on_build=(*(config.on_build or ()), argument))


def _shell(config: Config, argument: str) -> Config:
    shell = _list(argument)
    if not shell:
        raise InvalidParameter("dockerfile parse error: SHELL requires the arguments to be in JSON form")
    return attrs.evolve(config, shell=shell)


def _duration_ns(text: str) -> int:
    parts = _DURATION.findall(text)
    total_ns = sum(int(float(number) * _UNIT_NS[unit]) for number, unit in parts)
    if not parts or "".join(number + unit for number, unit in parts) != text or total_ns > _LONGEST_NS:
        raise InvalidParameter(f"dockerfile parse error: invalid duration {text[:100]!r}")
    if 0 < total_ns < _SHORTEST_NS:
        raise InvalidParameter(f"dockerfile parse error: a duration cannot be less than 1ms: {text[:100]!r}")
    return total_ns


def _healthcheck(config: Config, argument: str) -> Config:
    options: dict[str, Any] = {}
    while argument.startswith("--"):
        option, _, argument = argument.partition(" ")
        name, _, value = option.removeprefix("--").partition("=")
        if name == "retries" and _RETRIES.fullmatch(value):
            options[name] = int(value)
        elif name in {"interval", "timeout", "start-period", "start-interval"}:
            options[name.replace("-", "_")] = _duration_ns(value)
        else:
            raise InvalidParameter(f"dockerfile parse error: unknown flag: {option}")
        argument = argument.strip()
    kind, _, command = argument.partition(" ")
    if kind.upper() == "NONE":
        return attrs.evolve(config, healthcheck=Healthcheck(test=("NONE",)))
    if kind.upper() != "CMD" or not command.strip():
        raise InvalidParameter(f"dockerfile parse error: HEALTHCHECK knows NONE and CMD, not {kind!r}")
    listed = _list(command.strip())
    test = ("CMD", *listed) if listed else ("CMD-SHELL", command.strip())
    return attrs.evolve(config, healthcheck=Healthcheck(test=test, **options))


_INSTRUCTIONS: Final[Mapping[str, Callable[[Config, str], Config]]] = MappingProxyType(
    {
        "CMD": lambda config, argument: attrs.evolve(config, cmd=_command(config, argument)),
        "ENTRYPOINT": lambda config, argument: attrs.evolve(
            config, entrypoint=_command(config, argument) or None
        ),
        "ENV": _env,
        "EXPOSE": _expose,
        "HEALTHCHECK": _healthcheck,
        "LABEL": _label,
        "ONBUILD": _on_build,
        "SHELL": _shell,
        "STOPSIGNAL": lambda config, argument: attrs.evolve(config, stop_signal=_one(config, argument)),
        "USER": lambda config, argument: attrs.evolve(config, user=_one(config, argument)),
        "VOLUME": _volume,
        "WORKDIR": _workdir,
    }
)
