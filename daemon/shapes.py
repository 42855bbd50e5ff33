"""Checks that a JSON document has the shape of a type, and makes the value.

One hook for each kind of type: `hook(value, type)` returns the value or raises `Mismatch` with every
problem below it and its path, because whoever mends one field at a time gives up.  A primitive
is taken only in its own type: a request body is not a command line, "false" is not a bool.

A hook for a compound type is built from the hooks of its parts, once; `daemon.wire` sets them up.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin

import attrs

Hook = Callable[[Any, Any], Any]
HookFor = Callable[[Any], Hook]
Field = attrs.Attribute  # the description of one field of an attrs class
NameOf = Callable[["Field[Any]"], str]

INT64: Final = range(-(2**63), 2**63)
PROBLEMS_SHOWN: Final = 20
WORDS: Final[Mapping[type, str]] = types.MappingProxyType(
    {
        str: "string",
        int: "int",
        bool: "bool",
        float: "number",
        dict: "object",
        list: "array",
        type(None): "null",
    }
)


class Mismatch(Exception):
    """The document does not have the shape; `problems` are pairs of a path and what is wrong there."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(problems)
        self.problems = problems

    def under(self, step: str) -> Iterable[tuple[str, str]]:
        """Return the problems as seen from one step further out."""
        return ((step + path, text) for path, text in self.problems)

    @property
    def texts(self) -> list[str]:
        """One text per problem, with its path, but no more than anyone reads."""
        shown = [
            f"{_printable(path.removeprefix('.'))}: {text}" if path else text for path, text in self.problems
        ]
        if len(shown) > PROBLEMS_SHOWN:
            shown[PROBLEMS_SHOWN:] = [f"and {len(shown) - PROBLEMS_SHOWN} more problems"]
        return shown

    def lines(self, prefix: str) -> str:
        """Write one line per problem."""
        return "\n".join(f"{prefix}: {text}" for text in self.texts)


def _printable(path: str) -> str:
    """Escape what a client's own keys may bring: the text is to stay on its line."""
    return path if path.isprintable() else ascii(path)[1:-1]


def mismatch(expected: str, value: object) -> Mismatch:
    """Say that `value` is no `expected`."""
    return Mismatch([("", f"expected {expected}, got {WORDS.get(type(value), type(value).__name__)}")])


def exactly(type_: type) -> Hook:
    """Build the hook for a primitive that is taken only as itself."""

    def structure(value: Any, _: Any) -> Any:
        if type(value) is not type_:
            raise mismatch(WORDS[type_], value)
        return value

    return structure


def int64(value: Any, _: Any) -> int:
    """Take an integer that fits where Docker keeps it."""
    if type(value) is not int:
        raise mismatch("int", value)
    if value not in INT64:
        raise Mismatch([("", "number does not fit in 64 bits")])
    return value


def number(value: Any, _: Any) -> float:
    """Take a number, written with a fraction or without."""
    if type(value) not in {int, float}:
        raise mismatch("number", value)
    return float(value)


def path(value: Any, _: Any) -> Path:
    """Take a path; it is not looked up."""
    if type(value) is not str:
        raise mismatch("string", value)
    return Path(value)


def enum(value: Any, type_: type[Enum]) -> Enum:
    """Take a member by its value."""
    try:
        return type_(value)
    except ValueError:
        choices = ", ".join(str(member.value) for member in type_)
        raise Mismatch([("", f"expected one of {choices}, got {value!r}")]) from None


def anything(value: Any, _: Any) -> Any:
    """Take JSON as it is."""
    return value


def is_optional(type_: Any) -> bool:
    """Whether `type_` is `X | None`."""
    return get_origin(type_) in {Union, types.UnionType} and len(set(get_args(type_)) - {type(None)}) == 1


def optional(type_: Any, hook_for: HookFor) -> Hook:
    """Build the hook for `X | None`."""
    (inner,) = set(get_args(type_)) - {type(None)}
    hook = hook_for(inner)
    return lambda value, _: None if value is None else hook(value, inner)


def sequence(type_: Any, hook_for: HookFor) -> Hook:
    """Build the hook for `tuple[X, ...]`, or for a tuple with a type for each place."""
    places = get_args(type_)
    open_ended = places[-1] is Ellipsis
    hooks = [(hook_for(place), place) for place in places if place is not Ellipsis]

    def structure(value: Any, _: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise mismatch("array", value)
        wanted = hooks * len(value) if open_ended else hooks
        if len(wanted) != len(value):
            raise Mismatch([("", f"expected {len(wanted)} items, got {len(value)}")])
        pairs = zip(value, wanted, strict=True)
        return tuple(_collect((f"[{i}]", hook, item, place) for i, (item, (hook, place)) in enumerate(pairs)))

    return structure


def mapping(type_: Any, hook_for: HookFor) -> Hook:
    """Build the hook for `Mapping[str, X]`."""
    _, inner = get_args(type_)
    hook = hook_for(inner)

    def structure(value: Any, _: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise mismatch("object", value)
        items = _collect((f".{key}", hook, item, inner) for key, item in value.items())
        return dict(zip(value, items, strict=True))

    return structure


def _collect(parts: Iterable[tuple[str, Hook, Any, Any]]) -> list[Any]:
    """Structure every (step, hook, value, type), and raise all their problems together."""
    good: list[Any] = []
    problems: list[tuple[str, str]] = []
    for step, hook, value, type_ in parts:
        try:
            good.append(hook(value, type_))
        except Mismatch as error:
            problems.extend(error.under(step))
    if problems:
        raise Mismatch(problems)
    return good


@attrs.frozen
class Member:
    """Where one key of an object goes."""

    step: str
    argument: str
    hook: Hook
    type: Any

    @classmethod
    def of(cls, field: Field[Any], name: str, hook_for: HookFor) -> Member:
        """Describe `field`, which is called `name` in JSON."""
        hook = hook_for(field.type)
        if "bare_string" in field.metadata:
            hook = _or_bare_string(hook)
        return cls(f".{name}", argument(field), hook, field.type)


def _or_bare_string(hook: Hook) -> Hook:
    return lambda value, type_: (value,) if type(value) is str else hook(value, type_)


def fields_of(type_: type) -> tuple[Field[Any], ...]:
    """Return the fields of an attrs class, their types resolved."""
    resolved: tuple[Field[Any], ...] = attrs.fields(attrs.resolve_types(type_))
    return resolved


def argument(field: Field[Any]) -> str:
    """Return what the constructor calls the field."""
    return field.alias or field.name


def lenient_object(type_: type, hook_for: HookFor, name_of: NameOf) -> Hook:
    """Build the hook for an object that a client sent.

    Keys match in any case, unknown ones are passed over, null counts as absent, and of a key that
    is repeated the last one counts: Go's rules, which clients have come to rely on.
    """
    build = _builder(type_, name_of)
    members = {name_of(field): Member.of(field, name_of(field), hook_for) for field in fields_of(type_)}
    folded = {name.casefold(): member for name, member in members.items()}

    def structure(document: Any, _: Any) -> Any:
        if type(document) is not dict:
            raise mismatch("object", document)
        found = ((members.get(key) or folded.get(key.casefold()), value) for key, value in document.items())
        return build([(member, value) for member, value in found if member and value is not None], [])

    return structure


def strict_object(type_: type, hook_for: HookFor, name_of: NameOf) -> Hook:
    """Build the hook for an object that we wrote ourselves: exact names, none unknown."""
    build = _builder(type_, name_of)
    members = {name_of(field): Member.of(field, name_of(field), hook_for) for field in fields_of(type_)}

    def structure(document: Any, _: Any) -> Any:
        if type(document) is not dict:
            raise mismatch("object", document)
        unknown = [(f".{key}", "unknown key") for key in document if key not in members]
        return build([(members[key], document[key]) for key in document if key in members], unknown)

    return structure


def _builder(
    type_: type, name_of: NameOf
) -> Callable[[list[tuple[Member, Any]], list[tuple[str, str]]], Any]:
    """Build what makes the object of its members' values and of the problems seen so far."""
    required = {
        argument(field): name_of(field) for field in fields_of(type_) if field.default is attrs.NOTHING
    }

    def build(given: list[tuple[Member, Any]], problems: list[tuple[str, str]]) -> Any:
        arguments: dict[str, Any] = {}
        for member, value in given:
            try:
                arguments[member.argument] = member.hook(value, member.type)
            except Mismatch as error:
                problems.extend(error.under(member.step))
        if required:
            seen = {member.argument for member, _ in given}
            problems.extend((f".{name}", "is required") for key, name in required.items() if key not in seen)
        if problems:
            raise Mismatch(problems)
        return type_(**arguments)

    return build
