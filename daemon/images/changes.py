"""Dockerfile instructions as `import` and `commit` take them: one change to a config each.

Only instructions that change the config are known here; what builds is another's matter.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs
import orjson

from daemon.errors import InvalidParameter
from daemon.model import Config, Healthcheck

_PORT: Final = re.compile(r"(\d{1,5})(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_DURATION: Final = re.compile(r"(\d{1,19}(?:\.\d{1,19})?)(ms|us|ns|h|m|s)", re.ASCII)
_RETRIES: Final = re.compile(r"\d{1,9}", re.ASCII)
_LONGEST_NS: Final = (1 << 63) - 1
_UNIT_NS: Final = MappingProxyType(
    {"h": 3_600_000_000_000, "m": 60_000_000_000, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
)
_SHELL: Final = ("/bin/sh", "-c")


def apply_changes(config: Config, changes: Iterable[str]) -> Config:
    """Return `config` with every instruction of `changes` carried out, in order.

    A new entrypoint takes the old command away, which was meant for another program.

    Raises:
        InvalidParameter: an instruction is unknown or malformed.

    """
    done = set[str]()
    for number, line in enumerate((line for change in changes for line in change.splitlines()), 1):
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
    return _list(argument) or (*(config.shell or _SHELL), argument)


def _list(argument: str) -> tuple[str, ...]:
    try:
        found = orjson.loads(argument)
    except orjson.JSONDecodeError:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        return ()
    return tuple(found)


def _words(argument: str) -> list[str]:
    try:
        return shlex.split(argument)
    except ValueError as error:
        raise InvalidParameter(f"dockerfile parse error: {error}: {argument}") from None


def _pairs(argument: str) -> dict[str, str]:
    """Read `key=value key="another value"`, or the old form `key value`."""
    if "=" not in argument.partition(" ")[0]:
        key, _, value = argument.partition(" ")
        return {key: value.strip()}
    pairs = {}
    for word in _words(argument):
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InvalidParameter(
                f"dockerfile parse error: can't find = in {word!r}. Must be of the form: name=value"
            )
        pairs[key] = value
    return pairs


def _env(config: Config, argument: str) -> Config:
    known = {entry.partition("=")[0]: entry for entry in config.env or ()}
    said = {key: f"{key}={value}" for key, value in _pairs(argument).items()}
    return attrs.evolve(config, env=tuple((known | said).values()))


def _expose(config: Config, argument: str) -> Config:
    ports: dict[str, Any] = dict(config.exposed_ports or {})
    for word in _words(argument):
        found = _PORT.fullmatch(word)
        if found is None or not 0 < int(found[1]) < 1 << 16:
            raise InvalidParameter(f"invalid containerPort: {word}")
        ports[f"{int(found[1])}/{(found[2] or 'tcp').lower()}"] = {}
    return attrs.evolve(config, exposed_ports=ports)


def _volume(config: Config, argument: str) -> Config:
    paths = _list(argument) or _words(argument)
    return attrs.evolve(config, volumes={**(config.volumes or {}), **{path: {} for path in paths}})


def _workdir(config: Config, argument: str) -> Config:
    base = "" if argument.startswith("/") else config.working_dir.rstrip("/") + "/"
    return attrs.evolve(config, working_dir=base + argument)


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
    words = _list(command.strip())
    test = ("CMD", *words) if words else ("CMD-SHELL", command.strip())
    return attrs.evolve(config, healthcheck=Healthcheck(test=test, **options))


_INSTRUCTIONS: Final[Mapping[str, Callable[[Config, str], Config]]] = MappingProxyType(
    {
        "CMD": lambda config, argument: attrs.evolve(config, cmd=_command(config, argument)),
        "ENTRYPOINT": lambda config, argument: attrs.evolve(config, entrypoint=_command(config, argument)),
        "ENV": _env,
        "EXPOSE": _expose,
        "HEALTHCHECK": _healthcheck,
        "LABEL": lambda config, argument: attrs.evolve(
            config, labels={**(config.labels or {}), **_pairs(argument)}
        ),
        "ONBUILD": lambda config, argument: attrs.evolve(
            config, on_build=(*(config.on_build or ()), argument)
        ),
        "SHELL": _shell,
        "STOPSIGNAL": lambda config, argument: attrs.evolve(config, stop_signal=argument),
        "USER": lambda config, argument: attrs.evolve(config, user=argument),
        "VOLUME": _volume,
        "WORKDIR": _workdir,
    }
)
