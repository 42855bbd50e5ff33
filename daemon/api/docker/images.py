"""The routes of images: what there is, bringing in, taking out, naming, removing.

Handlers only translate.  Uploads go to a spool first, so a client that stalls holds nothing but its own files
and the child that takes them out of its archive.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from typing import Final

import attrs
from quart import Blueprint, Response

from daemon.actors.image_commands import Delete, Import, Load, NoteSaved, Prune, Tag
from daemon.actors.images import Images
from daemon.actors.mailbox import Promise
from daemon.api import answers
from daemon.api.app import engine, until_the_conversation_ends
from daemon.api.body import upload
from daemon.api.docker import (
    image_filters,
    image_manifests,
    image_views,
    platforms,
    registries,
    transfer_lines,
)
from daemon.api.docker.changes import changed
from daemon.api.docker.image_filters import LIST_KEYS, PRUNE_KEYS
from daemon.api.docker.pruning import tell_of_prune
from daemon.api.query import filters, flag, text, texts
from daemon.api.versions import ApiVersion, api_version
from daemon.errors import EngineError, Failed, InvalidParameter, NotImplementedHere
from daemon.images import importing, references
from daemon.images.platforms import host
from daemon.images.progress import Watch, to_nobody
from daemon.images.saving import Saved
from daemon.images.spool import Spool, fill, take_apart
from daemon.model import Config

blueprint = Blueprint("docker_images", __name__)
TAR: Final = "application/x-tar"
# From which version of the API on something is understood.
SHARED_SIZE_SINCE: Final = (1, 42)
PLATFORM_SINCE: Final = (1, 48)
INSPECT_PLATFORM_SINCE: Final = (1, 49)
DELETE_PLATFORMS_SINCE: Final = (1, 50)
CONTAINERS_SINCE: Final = (1, 51)


def images() -> Images:
    """Return the images of the engine that the current request is for."""
    found: Images = engine().images
    return found


@blueprint.get("/images/json")
async def list_images() -> Response:
    """List images, newest first."""
    version = api_version()
    given = filters(LIST_KEYS)
    if pattern := text("filter"):  # what `filters` replaced
        given = {**given, "reference": (pattern,)}
    parents = images().catalog.current.parents
    accepts = image_filters.listed(given, images().resolve, parents, show_all=flag("all"))
    chosen = sorted(filter(accepts, images()), key=lambda image: image.created_ns, reverse=True)
    shared = (
        image_views.shared_bytes(images()) if flag("shared-size") and version >= SHARED_SIZE_SINCE else {}
    )
    patterns = image_filters.reference_patterns(given)
    rows = []
    for image in chosen:
        containers = len(tuple(images().users_of(image.id))) if version >= CONTAINERS_SINCE else -1
        row = image_views.list_item(image, version, containers, shared.get(image.id, -1))
        if patterns:
            row["RepoTags"] = image_filters.matching_tags(image, patterns)
            row["RepoDigests"] = image_filters.matching_digests(image, patterns)
        rows.append(row)
    if flag("manifests") and version >= image_manifests.LIST_SINCE:
        for row, manifests in zip(rows, await image_manifests.manifests(images(), chosen), strict=True):
            row["Manifests"] = manifests
    return answers.json(rows)


@blueprint.get("/images/<path:name>/json")
async def inspect(name: str) -> Response:
    """Show all of an image."""
    platform = platforms.chosen("platform", INSPECT_PLATFORM_SINCE)
    with_manifests = flag("manifests") and api_version() >= image_manifests.INSPECT_SINCE
    if platform and with_manifests:
        raise InvalidParameter("conflicting options: manifests and platform options cannot both be set")
    image = images().resolve(name)
    platforms.check([(name, image)], platform)
    layers = images().content.layers
    view = image_views.inspection(image, api_version(), layers.describe(image.chain_ids))
    if with_manifests:
        (view["Manifests"],) = await image_manifests.manifests(images(), [image])
    return answers.json(view)


@blueprint.get("/images/<path:name>/history")
async def history(name: str) -> Response:  # ruff: ignore[unused-async]  sync = a thread
    """Show how an image came to be."""
    image = images().resolve(name)
    platforms.check([(name, image)], platforms.chosen("platform", PLATFORM_SINCE))
    return answers.json(image_views.history(image, images().ancestors(image)))


@blueprint.post("/images/<path:name>/tag")
async def tag(name: str) -> Response:
    """Give an image one more name."""
    await images().mailbox.ask(Tag(name, references.for_tagging(text("repo"), text("tag"))))
    return answers.empty(201)


@blueprint.delete("/images/<path:name>")
async def delete(name: str) -> Response:
    """Remove a name, or an image, and with that its parents that nothing else keeps, unless `noprune`."""
    if platform := platforms.chosen("platforms", DELETE_PLATFORMS_SINCE):
        platforms.check([(name, images().resolve(name))], platform)
    removed = await images().mailbox.ask(Delete(name, force=flag("force"), parents=not flag("noprune")))
    return answers.json(image_views.deletion(removed))


@blueprint.post("/images/prune")
async def prune() -> Response:
    """Remove what nobody uses."""
    accepts = image_filters.pruned(filters(PRUNE_KEYS), images().catalog.current.parents)
    done = await images().mailbox.ask(Prune(accepts))
    await tell_of_prune(engine().journal, "image", done.reclaimed_bytes)
    deleted = image_views.deletion(done.removed) or None
    return answers.json({"ImagesDeleted": deleted, "SpaceReclaimed": done.reclaimed_bytes})


@blueprint.post("/images/load")
async def load() -> Response:
    """Bring in an archive; Docker reports even a broken one in the stream, under status 200."""
    platform, watch = platforms.chosen("platform", PLATFORM_SINCE), Watch()
    spool = until_the_conversation_ends(_kept())
    try:
        parts = await take_apart(spool, upload())
    except (InvalidParameter, Failed) as error:
        return answers.stream(_refused(error, upload()), answers.JSON)
    tell = to_nobody if flag("quiet", default=True) else watch.tell
    loading = await images().mailbox.post(Load(spool, parts, platform, tell))
    until_the_conversation_ends(loading.awaited())
    loading.when_answered(watch.end)
    return answers.stream(_loaded(loading, watch, api_version()), answers.JSON)


async def _loaded(
    loading: Promise[tuple[str, ...]], watch: Watch, version: ApiVersion
) -> AsyncGenerator[bytes, None]:
    """Yield a line for all that `watch` shows, and what has come of it."""
    try:
        while (message := await watch.next()) is not None:
            yield transfer_lines.line(transfer_lines.document(message, version))
        for line in await loading.outcome():
            yield transfer_lines.line({"stream": f"{line}\n"})
    except EngineError as error:
        yield transfer_lines.line(transfer_lines.failure(error))


async def _refused(error: EngineError, unread: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield what is wrong once the client, which may read nothing while it sends, has sent the rest."""
    async for _ in unread:
        pass
    yield transfer_lines.line(transfer_lines.failure(error))


@blueprint.post("/images/create")
async def create() -> Response:
    """Pull from a registry, or import a file system tar."""
    source = text("fromSrc")
    if not source:
        return await registries.pull()
    if source != "-":
        raise NotImplementedHere("importing from a URL is not supported: send the tar as the body, fromSrc=-")
    name = references.for_tagging(text("repo"), text("tag")) if text("repo") else None
    platform = registries.wanted_platform() or host()
    description = importing.Import(changed(Config()), text("message"), time.time_ns(), platform)
    with _kept() as spool:
        await fill(spool, upload())
        image_id = await images().mailbox.ask(Import(spool, description, name))
    return answers.json(transfer_lines.line({"status": image_id}))


@blueprint.get("/images/get")
async def save_many() -> Response:
    """Save several images in one tar."""
    return await _save(texts("names"))


@blueprint.get("/images/<path:name>/get")
async def save(name: str) -> Response:
    """Save one image."""
    return await _save((name,))


async def _save(names: tuple[str, ...]) -> Response:
    chosen: dict[str, Saved] = {}
    platform = platforms.chosen("platform", PLATFORM_SINCE)
    for asked, saved in ((name, saved) for name in names for saved in _chosen(name)):
        platforms.check([(asked, images().resolve(saved.record.id))], platform)
        before = chosen.get(saved.record.id, attrs.evolve(saved, tags=()))
        chosen[saved.record.id] = attrs.evolve(saved, tags=tuple(dict.fromkeys((*before.tags, *saved.tags))))
    if chosen:
        await images().mailbox.ask(NoteSaved(tuple(chosen)))
    return answers.stream(images().save(chosen.values()), TAR)


def _chosen(name: str) -> list[Saved]:
    """Return what saving `name` means: all tags of a repository, one tag, or an image without a name."""
    catalog = images().catalog.current
    found = catalog.repository(name) or [catalog.find(name)]
    return [Saved(one.image.record, (one.tag,) if one.tag else ()) for one in found]


@contextlib.contextmanager
def _kept() -> Generator[Spool, None, None]:
    """Lend a place for an upload, which is gone when the block ends unless somebody has claimed it."""
    spool = images().new_spool()
    try:
        yield spool
    finally:
        spool.discard_unclaimed()
