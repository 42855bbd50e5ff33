"""The JSON documents of images, read from untrusted bytes: configs, manifests, indexes.

A document is looked at once, when it comes in: what passes here can be relied on everywhere else.  The bytes
are kept as they came, since an image's id is their digest.

Source: OCI image specification (config.md, manifest.md, image-index.md), and what `docker save` writes.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any, Final

import attrs
import orjson

from daemon.errors import InvalidParameter
from daemon.images import digests, platforms
from daemon.images.digests import Measured
from daemon.images.platforms import Platform
from daemon.model import Config
from daemon.wire import parse_client

DOCUMENT_LIMIT_BYTES: Final = 8 << 20
LAYER_LIMIT: Final = 500
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
INDEXES: Final = (OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
_SUFFIXES: Final[Mapping[bytes, str]] = {b"\x1f\x8b": "+gzip", b"\x28\xb5\x2f\xfd": "+zstd"}
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@attrs.frozen
class History:
    """How one layer, or one change without a layer, came to be."""

    created_ns: int
    created_by: str
    comment: str
    empty_layer: bool


@attrs.frozen
class ImageDocument:
    """What an image's config says; `created_ns` is 0 where it does not say when."""

    raw: bytes
    id: str
    config: Config
    diff_ids: tuple[str, ...]
    created_ns: int
    architecture: str
    os: str
    variant: str
    author: str
    comment: str
    docker_version: str
    history: tuple[History, ...]

    @property
    def platform(self) -> Platform | None:
        """What the image is made for; None where it does not say."""
        if not self.architecture:
            return None
        return platforms.make(self.os, self.architecture, self.variant)


@attrs.frozen
class Descriptor:
    """A pointer to a blob."""

    media_type: str
    digest: str
    size: int


def read_json(content: bytes, what: str, kind: type) -> Any:
    """Return the document in `content`, which must be a `kind`.

    Raises:
        InvalidParameter: it is too large, not JSON, or something else.

    """
    if len(content) > DOCUMENT_LIMIT_BYTES:
        raise InvalidParameter(f"invalid image: {what} is larger than {DOCUMENT_LIMIT_BYTES} bytes")
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter(f"invalid image: {what} is not JSON: {error}") from None
    if not isinstance(document, kind):
        raise InvalidParameter(f"invalid image: {what} must be a JSON {_JSON_NAMES[kind]}")
    return document


_JSON_NAMES: Final[Mapping[type, str]] = {dict: "object", list: "array", str: "string", bool: "boolean"}


def member(document: Mapping[str, Any], name: str, kind: type, what: str) -> Any:
    """Return a member of `document`, or an empty `kind` where it is absent or null.

    Raises:
        InvalidParameter: it is of another type.

    """
    found = document.get(name)
    if found is None:
        return kind()
    if not isinstance(found, kind):
        raise InvalidParameter(f"invalid image: {name} of {what} must be a JSON {_JSON_NAMES[kind]}")
    return found


def read_image(raw: bytes) -> ImageDocument:
    """Read an image's config.

    Raises:
        InvalidParameter: it is not the config of an image this engine could run.

    """
    document = read_json(raw, "image config", dict)

    def text(name: str) -> str:
        return str(member(document, name, str, "image config"))

    if text("os") not in {"", "linux"}:
        raise InvalidParameter(f'image operating system "{text("os")}" cannot be used on this platform')
    history = member(document, "history", list, "image config")
    return ImageDocument(
        raw=raw,
        id=digests.of(raw),
        config=parse_client(member(document, "config", dict, "image config"), Config),
        diff_ids=_read_diff_ids(document),
        created_ns=read_time(text("created")),
        architecture=text("architecture"),
        os=text("os") or "linux",
        variant=text("variant"),
        author=text("author"),
        comment=text("comment"),
        docker_version=text("docker_version"),
        history=tuple(_read_history(entry) for entry in history),
    )


def read_origin(raw: bytes) -> tuple[str, Config]:
    """Return the id and the config of the container that an image was made of; "" and nothing of others.

    What makes no sense there is passed over: it only tells where the image comes from.
    """
    document = orjson.loads(raw)
    container, config = document.get("container"), document.get("container_config")
    try:
        origin = parse_client(config, Config) if isinstance(config, dict) else Config()
    except InvalidParameter:
        origin = Config()
    return container if isinstance(container, str) else "", origin


def _read_diff_ids(document: Mapping[str, Any]) -> tuple[str, ...]:
    diff_ids = member(member(document, "rootfs", dict, "image config"), "diff_ids", list, "rootfs")
    if len(diff_ids) > LAYER_LIMIT or not all(map(digests.is_digest, diff_ids)):
        raise InvalidParameter(
            f"invalid image: diff_ids of rootfs must be sha256 digests of at most {LAYER_LIMIT} layers"
        )
    return tuple(diff_ids)


def _read_history(entry: object) -> History:
    if not isinstance(entry, dict):
        raise InvalidParameter("invalid image: history of image config must be made of JSON objects")
    return History(
        created_ns=read_time(member(entry, "created", str, "history")),
        created_by=member(entry, "created_by", str, "history"),
        comment=member(entry, "comment", str, "history"),
        empty_layer=member(entry, "empty_layer", bool, "history"),
    )


def read_descriptor(document: object, what: str) -> Descriptor:
    """Read a pointer to a blob.

    Raises:
        InvalidParameter: it has another shape.

    """
    if not isinstance(document, dict) or not digests.is_digest(document.get("digest")):
        raise InvalidParameter(f"invalid image: {what} is not a descriptor with a sha256 digest")
    size = document.get("size", 0)
    if not isinstance(size, int) or isinstance(size, bool):
        raise InvalidParameter(f"invalid image: size of {what} must be a number")
    return Descriptor(member(document, "mediaType", str, what), document["digest"], size)


def read_time(text: str) -> int:
    """Return an RFC 3339 time in nanoseconds since 1970; 0 for what is none, as for Go's zero time."""
    found = _TIME.fullmatch(text)
    if found is None:
        return 0
    seconds, fraction, zone = found.groups()
    try:
        moment = datetime.datetime.fromisoformat(seconds + zone)
    except ValueError:
        return 0
    whole = (moment - _EPOCH) // datetime.timedelta(seconds=1)
    return max(0, whole * 1_000_000_000 + int((fraction or "0").ljust(9, "0")))


def write_time(time_ns: int) -> str:
    """Return nanoseconds since 1970 as RFC 3339 in UTC without trailing zeros."""
    seconds, fraction_ns = divmod(time_ns, 1_000_000_000)
    moment = _EPOCH + datetime.timedelta(seconds=seconds)
    fraction = f".{fraction_ns:09}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def layer_media_type(start: bytes) -> str:
    """Return the media type of a layer that begins with the bytes `start`."""
    return OCI_LAYER + next((suffix for magic, suffix in _SUFFIXES.items() if start.startswith(magic)), "")


def manifest_of(config: Descriptor, layers: tuple[Descriptor, ...]) -> bytes:
    """Return the manifest that ties a config and its layers together."""
    return orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": as_json(config),
            "layers": [as_json(layer) for layer in layers],
        }
    )


def as_json(descriptor: Descriptor) -> dict[str, Any]:
    """Return a descriptor as it stands in manifests."""
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def with_packed_layers(manifest: bytes, packed: Mapping[str, Measured]) -> bytes:
    """Return a manifest that names, for some layers, what they are when packed with gzip.

    Whatever else it says stays, annotations of layers included.

    Args:
        manifest: one that has been read before.
        packed: by the digests that the manifest has for those layers.

    Raises:
        InvalidParameter: the manifest has another shape.

    """
    if not packed:
        return manifest
    document = read_json(manifest, "image manifest", dict)
    layers = [_packed_layer(layer, packed) for layer in member(document, "layers", list, "image manifest")]
    return orjson.dumps({**document, "layers": layers})


def _packed_layer(layer: Any, packed: Mapping[str, Measured]) -> Any:
    stated = read_descriptor(layer, "layer of image manifest")
    instead = packed.get(stated.digest)
    if instead is None:
        return layer
    docker = stated.media_type.startswith(DOCKER_LAYER)
    media_type = f"{DOCKER_LAYER}.gzip" if docker else f"{OCI_LAYER}+gzip"
    kept = {name: layer[name] for name in ("annotations",) if name in layer}
    return as_json(Descriptor(media_type, instead.digest, instead.size_bytes)) | kept
