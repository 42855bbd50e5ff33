"""The published description of Docker's API (Swagger 2.0), and what of an answer does not fit it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml
from jsonschema import Draft4Validator


@attrs.frozen
class Spec:
    """One version of the description, its schemas as JSON schemas."""

    document: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path) -> Spec:
        """Return the description in a file."""
        return cls(_as_json_schema(yaml.load(file.read_text(), yaml.CSafeLoader)))

    def faults(self, method: str, path: str, status: int, answer: Any) -> Iterator[tuple[str, str]]:
        """Yield where an answer is not as described, members of lists as `*`, and what it should be.

        `path` is written as in the description.
        """
        described = self.document["paths"][path][method.lower()]["responses"][status]
        schema = {**described["schema"], "definitions": self.document["definitions"]}
        for error in Draft4Validator(schema).iter_errors(answer):
            place = ("*" if isinstance(part, int) else str(part) for part in error.absolute_path)
            yield ".".join(place), error.message


def _as_json_schema(described: Any) -> Any:
    """Say as JSON schemas do what may be null.

    That is what is marked so, and every list and map: Go writes those that nobody has made as null, which
    the description passes over.
    """
    if isinstance(described, list):
        return [_as_json_schema(one) for one in described]
    if not isinstance(described, dict):
        return described
    schema = {key: _as_json_schema(value) for key, value in described.items()}
    kind = schema.get("type")
    is_nil = kind == "array" or (kind == "object" and "properties" not in schema)
    return _or_null(schema) if schema.pop("x-nullable", False) is True or is_nil else schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(schema.get("type"), str):  # a reference, for example
        return {"anyOf": [schema, {"type": "null"}]}
    words = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, **words, "type": [schema["type"], "null"]}
