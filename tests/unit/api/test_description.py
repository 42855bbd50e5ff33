"""What the client tests hold answers against: it must find what is wrong, and let pass what Go calls nil."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.schemas.spec import Spec

DESCRIPTION = """
paths:
  /thing:
    get:
      responses:
        200: {schema: {$ref: "#/definitions/Thing"}}
definitions:
  Thing:
    type: object
    required: [Id]
    properties:
      Id: {type: string}
      Size: {type: integer, x-nullable: true}
      Kind: {type: string, enum: [one, two], x-nullable: true}
      Parts: {type: array, items: {$ref: "#/definitions/Part"}}
      Labels: {type: object, additionalProperties: {type: string}}
      Main: {x-nullable: true, $ref: "#/definitions/Part"}
  Part:
    type: object
    properties:
      Name: {type: string}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    file = tmp_path / "description.yaml"
    file.write_text(DESCRIPTION)
    return Spec.read(file)


@pytest.mark.parametrize(
    "answer",
    [
        {"Id": "a"},
        {"Id": "a", "Size": None, "Kind": None, "Parts": None, "Labels": None, "Main": None},
        {"Id": "a", "Size": 3, "Kind": "two", "Parts": [{"Name": "b"}], "Labels": {"c": "d"}, "Main": {}},
        {"Id": "a", "Unheard": "of"},
    ],
)
def test_what_is_as_described(spec: Spec, answer: Any) -> None:
    assert list(spec.faults("GET", "/thing", 200, answer)) == []


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ({}, ""),
        (None, ""),
        ({"Id": None}, "Id"),
        ({"Id": 3}, "Id"),
        ({"Id": "a", "Size": "3"}, "Size"),
        ({"Id": "a", "Kind": "three"}, "Kind"),
        ({"Id": "a", "Parts": {}}, "Parts"),
        ({"Id": "a", "Parts": [{"Name": None}]}, "Parts.*.Name"),
        ({"Id": "a", "Labels": {"c": 3}}, "Labels.c"),
        ({"Id": "a", "Main": {"Name": 3}}, "Main"),
    ],
)
def test_what_is_not(spec: Spec, answer: Any, place: str) -> None:
    assert [found for found, _ in spec.faults("GET", "/thing", 200, answer)] == [place]
