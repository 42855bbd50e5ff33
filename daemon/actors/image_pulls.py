"""What a pull does, from the registry's answer to the new name: jobs of `daemon.actors.image_transfers`."""

from __future__ import annotations

import attrs

from daemon.actors.image_catalog import ImageSnapshot
from daemon.actors.image_commands import RecordPulled
from daemon.actors.images import Images
from daemon.images import platforms
from daemon.images.loading import Brought
from daemon.images.platforms import Platform
from daemon.images.progress import Tell, say
from daemon.images.pulling.layers import Workshop
from daemon.images.pulling.plan import Plan, read_plan
from daemon.images.pulling.pull import brought
from daemon.images.references import Reference
from daemon.images.registry.credentials import Credentials
from daemon.images.registry.errors import LoginRefused, RegistryError, RegistryFailed, for_pull
from daemon.images.registry.repository import Registries, Repository


@attrs.frozen
class PullWish:
    """What a client wants to have; equal wishes are one pull.

    `reference` without tag and digest means all tags; `platform` is None for whatever suits this host.
    """

    reference: Reference
    credentials: Credentials
    platform: Platform | None = None


@attrs.frozen
class Pulls:
    """How pulls are carried out."""

    images: Images
    registries: Registries
    workshop: Workshop

    async def pull(self, wish: PullWish, tell: Tell) -> None:
        """Bring what is wished for, and tell of it as Docker does.

        Raises:
            NotFound: there is no such image, or none for that platform.
            InvalidParameter: it is none that could run here.
            RegistryError: the registry would not give it.
            Failed: the disk refused.

        """
        try:
            async with self.registries.repository(wish.reference, wish.credentials) as repository:
                is_new = False
                for reference in await _references(wish.reference, repository):
                    is_new |= await self._pull_one(repository, reference, wish.platform, tell)
        except LoginRefused as error:  # as 401 it would make the CLI ask for a password, terminal or not
            raise RegistryFailed(str(error), error.code) from error
        except RegistryError as error:
            raise for_pull(error, wish.reference) from error
        what = "Downloaded newer image for" if is_new else "Image is up to date for"
        say(tell, f"Status: {what} {wish.reference.familiar}")

    async def _pull_one(
        self, repository: Repository, reference: Reference, platform: Platform | None, tell: Tell
    ) -> bool:
        """Bring one image; return whether the reference did not stand for it before."""
        wanted = platform or platforms.host()
        if digest := await self._renewed(repository, reference, wanted):
            _begin(tell, reference)
            say(tell, f"Digest: {digest}")
            return False
        named = await repository.manifest(reference.digest or reference.tag)
        plan = await read_plan(repository, named, wanted, self.workshop.content.blobs)
        platforms.check(reference.familiar, plan.document.platform, platform)
        _begin(tell, reference)
        before = self._named(reference)
        await self._bring(repository, plan, reference, tell)
        say(tell, f"Digest: {plan.digest}")
        return before is None or before.id != plan.document.id

    async def _renewed(self, repository: Repository, reference: Reference, wanted: Platform) -> str | None:
        """Record an image again that is still what the registry has, and return the digest it has there.

        That takes no manifest: registries count those that are fetched, and refuse who fetches too many.
        """
        if self._named(reference) is None:
            return None
        digest = await repository.digest_of(reference.digest or reference.tag)
        known = self._named(reference)
        if digest is None or known is None or known.platform != wanted:
            return None
        if f"{reference.familiar_repository}@{digest}" not in known.repo_digests or not self._whole(known):
            return None
        await self._record_again(known, reference, digest)
        return digest

    async def _bring(self, repository: Repository, plan: Plan, reference: Reference, tell: Tell) -> None:
        known = self.images.get(plan.document.id)
        if known is not None and self._whole(known):
            await self._record_again(known, reference, plan.digest)
            return
        async with brought(plan, self.workshop, repository, tell) as image:
            await self.images.sync()
            await self._record(image, reference, plan.digest)

    async def _record_again(self, known: ImageSnapshot, reference: Reference, digest: str) -> None:
        with self.workshop.content.lease() as lease:
            lease.record(known.record)
            await self._record(Brought(known.record, known.document, ()), reference, digest)

    async def _record(self, image: Brought, reference: Reference, digest: str) -> None:
        await self.images.mailbox.ask(RecordPulled(image, reference, digest))

    def _named(self, reference: Reference) -> ImageSnapshot | None:
        return self.images.catalog.current.named(reference)

    def _whole(self, image: ImageSnapshot) -> bool:
        return all(map(self.workshop.whole, image.chain_ids))


def _begin(tell: Tell, reference: Reference) -> None:
    shown = f"{reference.repository}@{reference.digest}" if reference.digest else reference.tag
    say(tell, f"Pulling from {reference.path}", shown)


async def _references(wanted: Reference, repository: Repository) -> list[Reference]:
    """Return what is to be pulled: the one that is named, or all tags there are."""
    if wanted.tag or wanted.digest:
        return [wanted]
    return [attrs.evolve(wanted, tag=tag) for tag in await repository.tags()]
