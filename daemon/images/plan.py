"""What an image archive says it holds, checked, before anything of it is kept.

Two forms are read: what `docker save` writes (manifest.json) and OCI image layouts (index.json).  A path in
either is a key into the archive's members and never opened; where a path or a descriptor names a digest,
it is the one the member was found to have.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import trio

from daemon.archives.sandbox import Archive, Member
from daemon.errors import InvalidParameter
from daemon.images import digests, documents, platforms, references
from daemon.images.documents import DOCUMENT_LIMIT_BYTES, Descriptor, ImageDocument
from daemon.images.platforms import Platform
from daemon.images.references import Reference

INDEX_DEPTH_LIMIT: Final = 4
IMAGE_LIMIT: Final = 1000
NAME_ANNOTATION: Final = "io.containerd.image.name"
REF_ANNOTATION: Final = "org.opencontainers.image.ref.name"
_ATTESTATION: Final = "vnd.docker.reference.type"


@attrs.frozen
class PlannedImage:
    """One image of an archive; `manifest` is empty where the archive has none of its own."""

    document: ImageDocument
    layers: tuple[Member, ...]
    tags: tuple[Reference, ...]
    manifest: bytes = b""


async def read_plan(archive: Archive, wanted: Platform | None = None) -> tuple[PlannedImage, ...]:
    """Read what to load, for the platform `wanted` if one is.

    Raises:
        InvalidParameter: the archive is of neither form, contradicts itself or is for another platform.

    """
    return await trio.to_thread.run_sync(_read_plan, archive, wanted)


def _read_plan(archive: Archive, wanted: Platform | None) -> tuple[PlannedImage, ...]:
    # Whoever saves for several platforms lists them in the index alone.
    if "manifest.json" in archive.members and not (wanted and "index.json" in archive.members):
        images = tuple(_read_docker(archive, _content(archive, "manifest.json")))
    elif "index.json" in archive.members:
        images = tuple(_read_layout(archive, _content(archive, "index.json"), wanted))
    else:
        raise InvalidParameter("invalid archive: it has neither a manifest.json nor an index.json")
    for made_for in filter(None, (image.document.platform for image in images)):
        if wanted and not wanted.runs(made_for):
            raise InvalidParameter(
                f"the archive's image is for {made_for}, not for the specified platform ({wanted})"
            )
    return images


def _member(archive: Archive, path: object) -> Member:
    """Return the member a path in a document names."""
    found = archive.members.get(posixpath.normpath(path)) if isinstance(path, str) else None
    if found is None:
        raise InvalidParameter(f"invalid archive: it names {str(path)[:300]!r}, which is not in it")
    stated = posixpath.normpath(str(path)).removeprefix("blobs/sha256/")
    if stated != posixpath.normpath(str(path)) and digests.PREFIX + stated != found.digest:
        raise InvalidParameter(f"invalid archive: digest mismatch: {path} has the digest {found.digest}")
    return found


def _content(archive: Archive, path: object) -> bytes:
    member = _member(archive, path)
    if member.size_bytes > DOCUMENT_LIMIT_BYTES:
        raise InvalidParameter(
            f"invalid archive: {str(path)[:300]!r} is larger than {DOCUMENT_LIMIT_BYTES} bytes"
        )
    return member.path.read_bytes()


def _blob(archive: Archive, descriptor: Descriptor) -> Member:
    member = _member(archive, f"blobs/sha256/{digests.hex_of(descriptor.digest)}")
    if descriptor.size != member.size_bytes:
        raise InvalidParameter(f"invalid archive: {descriptor.digest} has not the size its descriptor states")
    return member


def _checked(document: ImageDocument, layers: tuple[Member, ...]) -> ImageDocument:
    if len(layers) != len(document.diff_ids):
        raise InvalidParameter(
            f"invalid manifest, layers length mismatch: expected {len(document.diff_ids)}, got {len(layers)}"
        )
    return document


def _bounded(entries: list[Any]) -> list[Any]:
    if len(entries) > IMAGE_LIMIT:
        raise InvalidParameter(f"invalid archive: it has more than {IMAGE_LIMIT} images")
    return entries


def _read_docker(archive: Archive, content: bytes) -> Iterator[PlannedImage]:
    if content.strip() == b"null":  # what saving nothing gives
        return
    for entry in _bounded(documents.read_json(content, "manifest.json", list)):
        if not isinstance(entry, dict):
            raise InvalidParameter("invalid archive: manifest.json must be made of JSON objects")
        paths = documents.member(entry, "Layers", list, "manifest.json")
        layers = tuple(_member(archive, path) for path in paths)
        document = _checked(documents.read_image(_content(archive, entry.get("Config"))), layers)
        tags = documents.member(entry, "RepoTags", list, "manifest.json")
        yield PlannedImage(document, layers, tuple(_tag(tag) for tag in tags))


def _tag(text: object) -> Reference:
    if not isinstance(text, str):
        raise InvalidParameter("invalid archive: RepoTags of manifest.json must be strings")
    reference = references.parse(text)
    if reference.digest:
        raise InvalidParameter(f"invalid archive: {text} of manifest.json is no tag")
    return references.for_tagging(reference.repository, reference.tag)


def _read_layout(archive: Archive, content: bytes, wanted: Platform | None) -> Iterator[PlannedImage]:
    index = documents.read_json(content, "index.json", dict)
    for entry in _bounded(documents.member(index, "manifests", list, "index.json")):
        descriptor = documents.read_descriptor(entry, "index.json")
        annotations = documents.member(entry, "annotations", dict, "index.json")
        if _ATTESTATION not in annotations:
            yield _read_manifest(archive, _choose(archive, descriptor, wanted, 1), _name(annotations))


def _name(annotations: Mapping[str, Any]) -> tuple[Reference, ...]:
    """Return the name an index gives an image; a bare tag names nothing by itself."""
    name = annotations.get(NAME_ANNOTATION) or annotations.get(REF_ANNOTATION)
    if not isinstance(name, str) or not (NAME_ANNOTATION in annotations or set(name) & set("/:")):
        return ()
    return (_tag(name),)


def _choose(archive: Archive, descriptor: Descriptor, wanted: Platform | None, depth: int) -> Descriptor:
    """Follow indexes to the manifest for what is wanted; else for this machine, or else to the first one."""
    if descriptor.media_type not in documents.INDEXES:
        return descriptor
    if depth > INDEX_DEPTH_LIMIT:
        raise InvalidParameter("invalid archive: its indexes are nested too deeply")
    content = _content(archive, f"blobs/sha256/{digests.hex_of(descriptor.digest)}")
    entries = documents.member(documents.read_json(content, "index", dict), "manifests", list, "index")
    usable = [entry for entry in entries if _is_image(entry)]
    best = platforms.best(wanted or platforms.host(), usable, _platform)
    if best is None and not wanted:
        best = next(iter(usable), None)
    if best is None:
        raise InvalidParameter(f"invalid archive: an index of it has no image for {wanted or 'linux'}")
    return _choose(archive, documents.read_descriptor(best, "index"), wanted, depth + 1)


def _is_image(entry: Any) -> bool:
    if not isinstance(entry, dict):
        raise InvalidParameter("invalid archive: an index must be made of JSON objects")
    return (
        _ATTESTATION not in documents.member(entry, "annotations", dict, "index")
        and documents.member(entry, "platform", dict, "index").get("os", "linux") == "linux"
    )


def _platform(entry: Mapping[str, Any]) -> Platform | None:
    stated = documents.member(entry, "platform", dict, "index")
    parts = [documents.member(stated, part, str, "platform") for part in ("os", "architecture", "variant")]
    return platforms.make(*parts) if parts[1] else None


def _read_manifest(archive: Archive, descriptor: Descriptor, tags: tuple[Reference, ...]) -> PlannedImage:
    member = _blob(archive, descriptor)
    manifest_bytes = _content(archive, f"blobs/sha256/{digests.hex_of(member.digest)}")
    manifest = documents.read_json(manifest_bytes, "image manifest", dict)
    config = documents.read_descriptor(manifest.get("config"), "config of image manifest")
    stated = documents.member(manifest, "layers", list, "image manifest")
    layers = tuple(
        _blob(archive, documents.read_descriptor(layer, "layer of image manifest")) for layer in stated
    )
    _blob(archive, config)
    content = _content(archive, f"blobs/sha256/{digests.hex_of(config.digest)}")
    return PlannedImage(_checked(documents.read_image(content), layers), layers, tags, manifest_bytes)
