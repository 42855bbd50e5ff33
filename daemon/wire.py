"""JSON in and out; the only module that imports cattrs.

Three dialects, because each has another reader to please.  The client's (`parse_client`, `to_client`,
`render`) has Docker's names and is as lenient about them as the Go daemon that clients are written
for.  The record's (`parse_record`, `to_record`) is what this engine writes for itself: its own
field names, and nothing it did not write.  The configuration's (`parse_config`) is as strict, since a
key that is passed over is a wish that is not granted; its names have dashes, as dockerd's.

The hooks that check a document are in `daemon.shapes` and `daemon.inet`; cattrs picks the one for each
type, builds it once and keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar, get_origin

import attrs
import orjson
from cattrs import Converter
from cattrs.dispatch import StructureHook
from cattrs.gen import make_dict_unstructure_fn, override

from daemon import inet, shapes
from daemon.errors import Failed, InvalidParameter

T = TypeVar("T")

LEAVES: Final[Mapping[Any, shapes.Hook]] = {
    str: shapes.exactly(str),
    bool: shapes.exactly(bool),
    int: shapes.int64,
    float: shapes.number,
    Path: shapes.path,
}


def _docker_name(field: shapes.Field[Any]) -> str:
    pascal = "".join(part.capitalize() for part in field.name.split("_"))
    return str(field.metadata.get("wire", pascal))


def config_name(field: shapes.Field[Any]) -> str:
    """Return the name that a field has in daemon.json."""
    return str(field.metadata.get("wire", field.name.replace("_", "-")))


def _own_name(field: shapes.Field[Any]) -> str:
    return field.name


def _is_enum(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, Enum)


def _origin_is(origin: object) -> Callable[[Any], bool]:
    return lambda type_: get_origin(type_) is origin


def _dialect(
    object_hook: Callable[[type, shapes.HookFor, shapes.NameOf], shapes.Hook],
    name_of: shapes.NameOf,
    *,
    brief: bool = False,
) -> Converter:
    """Set a converter up, to read objects with `object_hook` under the names `name_of` gives.

    A `brief` one writes nothing that is as it would be without a word.
    """
    converter = Converter(unstruct_collection_overrides={tuple: list})

    def read(predicate: Callable[[Any], bool], build: Callable[[Any, shapes.HookFor], shapes.Hook]) -> None:
        def factory(type_: Any) -> StructureHook:
            return build(type_, converter.get_structure_hook)

        converter.register_structure_hook_factory(predicate, factory)

    def write_object(type_: type) -> Callable[[Any], dict[str, Any]]:
        names: Any = {field.name: override(rename=name_of(field)) for field in shapes.fields_of(type_)}
        return make_dict_unstructure_fn(type_, converter, _cattrs_omit_if_default=brief, **names)

    for leaf, hook in LEAVES.items():
        converter.register_structure_hook(leaf, hook)
    converter.register_structure_hook_func(lambda type_: type_ is Any, shapes.anything)
    converter.register_structure_hook_func(_is_enum, shapes.enum)
    read(shapes.is_optional, shapes.optional)
    read(_origin_is(tuple), shapes.sequence)
    read(_origin_is(Mapping), shapes.mapping)
    read(attrs.has, lambda type_, hook_for: object_hook(type_, hook_for, name_of))
    converter.register_structure_hook_func(inet.is_address, inet.address)
    for text in (Path, *inet.ADDRESSES):
        converter.register_unstructure_hook(text, str)
    converter.register_unstructure_hook_factory(attrs.has, write_object)
    return converter


_CLIENT: Final = _dialect(shapes.lenient_object, _docker_name)
_CONFIG: Final = _dialect(shapes.strict_object, config_name, brief=True)
_RECORD: Final = _dialect(shapes.strict_object, _own_name)


def parse_client(document: object, type_: type[T]) -> T:
    """Make a `type_` of a JSON document that a client sent.

    Raises:
        InvalidParameter: the document has another shape; one line for each problem.

    """
    try:
        return _CLIENT.structure(document, type_)
    except shapes.Mismatch as error:
        raise InvalidParameter(error.lines("invalid JSON")) from None


def to_client(value: object) -> Any:
    """Turn a value into JSON-ready objects under the names Docker uses; None stays null."""
    return _CLIENT.unstructure(value)


def render(value: object) -> bytes:
    """Write a value, or dicts and lists that hold values, as a line of JSON with Docker's names."""
    return orjson.dumps(value, default=to_client, option=orjson.OPT_APPEND_NEWLINE)


def parse_config(document: object, type_: type[T]) -> T:
    """Make a `type_` of a JSON document from a configuration file.

    Raises:
        daemon.shapes.Mismatch: the document has another shape.

    """
    return _CONFIG.structure(document, type_)


def to_config(value: object) -> Any:
    """Turn a value into JSON-ready objects under daemon.json's names, without what is at its default.

    `parse_config` makes the same value of them.
    """
    return _CONFIG.unstructure(value)


def parse_record(body: bytes, type_: type[T]) -> T:
    """Make a `type_` of the bytes that `to_record` wrote.

    Raises:
        Failed: the bytes are not what `to_record` writes: another version's, or damaged.

    """
    try:
        return _RECORD.structure(orjson.loads(body), type_)
    except orjson.JSONDecodeError as error:
        raise Failed(f"damaged {type_.__name__} record: {error}") from None
    except shapes.Mismatch as error:
        raise Failed(error.lines(f"damaged {type_.__name__} record")) from None


def to_record(value: object) -> bytes:
    """Write a value as JSON under its own field names."""
    return orjson.dumps(_RECORD.unstructure(value))
