"""The images there are, as one frozen value, and how a reference finds one of them.

Every read is answered from the catalog that is current; the actor replaces it as a whole, so tags and
images never contradict each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from daemon.errors import InvalidParameter, NotFound
from daemon.images import digests, references
from daemon.images.digests import Measured
from daemon.images.documents import ImageDocument
from daemon.images.platforms import Platform
from daemon.images.records import ImageRecord, LayerRecord
from daemon.images.references import Reference
from daemon.model import Config, ImageConfig

_ID: Final = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")


@attrs.frozen
class ImageSnapshot:
    """One image as the engine shows it; `tags` are canonical, in order."""

    record: ImageRecord
    document: ImageDocument
    tags: tuple[Reference, ...] = ()

    @property
    def id(self) -> str:
        """The digest of the config: "sha256:..."."""
        return self.record.id

    @property
    def repo_tags(self) -> tuple[str, ...]:
        """The tags as people type them."""
        return tuple(tag.familiar for tag in self.tags)

    @property
    def repo_digests(self) -> tuple[str, ...]:
        """The digests by which registries know the image."""
        return self.record.repo_digests

    @property
    def digest_names(self) -> tuple[Reference, ...]:
        """The same as references."""
        return tuple(references.parse(name) for name in self.record.repo_digests)

    @property
    def created_ns(self) -> int:
        """When the image was made; 0 where it does not say."""
        return self.document.created_ns

    @property
    def size_bytes(self) -> int:
        """The size of all files of all layers."""
        return sum(layer.unpacked_bytes for layer in self.record.layers)

    @property
    def config(self) -> Config:
        """What a container of this image starts from."""
        return self.document.config

    @property
    def chain_ids(self) -> tuple[str, ...]:
        """The layers, lowest first, as graph drivers want them."""
        return self.record.chain_ids

    @property
    def platform(self) -> Platform | None:
        """What it is made for; None where it does not say."""
        return self.document.platform

    @property
    def labels(self) -> Mapping[str, str]:
        """The image's labels."""
        return self.config.labels or {}

    def for_run(self) -> ImageConfig:
        """Return what running a container needs."""
        document = self.document
        return ImageConfig(
            id=self.id,
            config=document.config,
            diff_ids=document.diff_ids,
            architecture=document.architecture,
            os=document.os,
            variant=document.variant,
        )


@attrs.frozen
class Found:
    """An image, and the tag or the digest by which it was found if it was by one."""

    image: ImageSnapshot
    tag: Reference | None = None
    digest: Reference | None = None


@attrs.frozen
class Catalog:
    """All images by id, oldest first; and all tags, canonical, with the id each stands for.

    `parents` are the ids of those that others were made of by a commit; they need not be there any more.
    """

    images: Mapping[str, ImageSnapshot] = MappingProxyType({})
    tags: Mapping[str, str] = MappingProxyType({})
    parents: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[ImageSnapshot]:
        return iter(self.images.values())

    def find(self, reference: str) -> Found:
        """Return the image that `reference` means.

        A whole id comes first, then a name, then an id cut short: so nobody can take an id's
        place by a tag, and a tag that looks like part of an id still works.

        Raises:
            NotFound: there is none.
            InvalidParameter: it is no reference, or the start of several ids.

        """
        identifier = _ID.fullmatch(reference)
        whole = self.images.get(digests.PREFIX + identifier[1]) if identifier else None
        if whole is not None:
            return Found(whole)
        name = None if reference.startswith(digests.PREFIX) else _named(reference)
        by_name = self._by_name(name) if name else None
        if by_name is not None:
            return by_name
        if identifier:
            return Found(self._by_prefix(identifier[1], reference if name is None else name.familiar))
        if name is None:
            raise InvalidParameter("invalid reference format")
        raise NotFound(f"No such image: {name.familiar}")

    def repository(self, name: str) -> list[Found]:
        """Return all tags of the repository that `name` is the name of; none if it says more, or is an id."""
        try:
            wanted = references.parse(name)
        except InvalidParameter:
            return []
        identifier = _ID.fullmatch(name)
        if wanted.tag or wanted.digest or (identifier and digests.PREFIX + identifier[1] in self.images):
            return []
        return [
            Found(image, tag) for image in self for tag in image.tags if tag.repository == wanted.repository
        ]

    def layer(self, chain_id: str) -> LayerRecord | None:
        """Return a layer that some image has."""
        return next(
            (layer for image in self for layer in image.record.layers if layer.chain_id == chain_id), None
        )

    def packed(self, diff_id: str) -> Measured | None:
        """Return what a layer that is kept plain became when it was last packed for a push, if it was."""
        layers = (layer for image in self for layer in image.record.layers)
        return next((layer.packed for layer in layers if layer.packed and layer.diff_id == diff_id), None)

    def with_image(self, image: ImageSnapshot) -> Catalog:
        """Return a catalog in which `image` has taken its place, and its names from whoever had them."""
        taken = {tag.canonical for tag in image.tags} | set(image.repo_digests)
        images = {other.id: _without(other, taken) for other in self} | {image.id: image}
        return make_catalog(images.values())

    def named(self, name: Reference) -> ImageSnapshot | None:
        """Return the image that has exactly this tag or digest."""
        found = self._by_name(name)
        return found.image if found else None

    def without_image(self, image_id: str) -> Catalog:
        """Return a catalog without that image."""
        return make_catalog(image for image in self if image.id != image_id)

    def _by_name(self, name: Reference) -> Found | None:
        if name.digest:
            wanted = f"{name.familiar_repository}@{name.digest}"
            found = next((image for image in self if wanted in image.repo_digests), None)
            return Found(found, digest=attrs.evolve(name, tag="")) if found else None
        image_id = self.tags.get(name.canonical)
        return Found(self.images[image_id], name) if image_id else None

    def _by_prefix(self, prefix: str, typed: str) -> ImageSnapshot:
        matching = [image for image in self if digests.hex_of(image.id).startswith(prefix)]
        if not matching:
            raise NotFound(f"No such image: {typed}")
        if len(matching) > 1:
            raise InvalidParameter(f"multiple IDs found with provided prefix: {prefix}")
        return matching[0]


def make_catalog(images: Iterable[ImageSnapshot]) -> Catalog:
    """Return the catalog of `images`, no two of which have a tag in common."""
    ordered = sorted(images, key=lambda image: (image.created_ns, image.id))
    return Catalog(
        MappingProxyType({image.id: image for image in ordered}),
        MappingProxyType({tag.canonical: image.id for image in ordered for tag in image.tags}),
        frozenset(image.record.parent for image in ordered if image.record.parent),
    )


def _named(reference: str) -> Reference | None:
    """Return a reference by name; what is one whole id cannot be a name."""
    if _ID.fullmatch(reference) and len(reference) == 64:
        return None
    return references.parse(reference).tagged


def _without(image: ImageSnapshot, names: set[str]) -> ImageSnapshot:
    tags = tuple(tag for tag in image.tags if tag.canonical not in names)
    repo_digests = tuple(digest for digest in image.repo_digests if digest not in names)
    if (tags, repo_digests) == (image.tags, image.repo_digests):
        return image
    return attrs.evolve(image, tags=tags, record=attrs.evolve(image.record, repo_digests=repo_digests))
