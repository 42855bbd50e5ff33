"""The seccomp filter of each container: which profile, in which form.

Most containers have the same profile and the same capabilities, so filters are kept by what they depend on.
A runtime that loads a ready program gets one (crun); the others compile the section themselves.

Profiles are never guessed: when the packaged one is missing, containers do not start unfiltered but fail
with the name of the package.
"""

from __future__ import annotations

import base64
import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Final

import attrs
import trio

from daemon.errors import Failed
from daemon.model import HostConfig
from daemon.runtimes.spec.capabilities import granted
from daemon.runtimes.spec.inputs import BpfSeccomp, HostFacts, OciSeccomp
from daemon.runtimes.spec.seccomp_profile import Document, Target, oci_section, parse_profile, tightened
from daemon.runtimes.spec.security import BUILTIN, UNCONFINED, security_options
from daemon.seccomp_bpf import compile_section

DEFAULT_PROFILE: Final = Path("/usr/share/containers/seccomp.json")
KEPT: Final = 64  # filters; clients can bring profiles of their own, so there must be an end
# What a bare program cannot say: flags of seccomp(2), and the supervisor of SCMP_ACT_NOTIFY.
_ONLY_IN_SECTION: Final = ("flags", "listenerPath", "listenerMetadata")

Seccomp = OciSeccomp | BpfSeccomp
_Key = tuple[bytes, frozenset[str], bool]


@attrs.define(eq=False)
class SeccompProfiles:
    """Finds the filter of a container; remembers what it has made.

    `default` is for containers that say nothing: the packaged profile, which is tightened, another file,
    which is taken as its owner wrote it, or "unconfined".
    """

    host: HostFacts
    default: Path = DEFAULT_PROFILE
    _made: OrderedDict[_Key, Seccomp] = attrs.field(factory=OrderedDict, init=False)
    _making: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def resolve(self, host_config: HostConfig, *, accepts_bpf: bool) -> Seccomp | None:
        """Return the filter for a container, None when it is to have none.

        Args:
            host_config: its security options and capabilities decide.
            accepts_bpf: the runtime loads a program from an annotation (crun does, runc does not).

        Raises:
            InvalidParameter: the client's own profile is malformed.
            Failed: the packaged profile or libseccomp is missing.

        """
        wanted = security_options(host_config.security_opt).seccomp or str(self.default)
        if host_config.privileged or wanted == UNCONFINED:
            return None
        capabilities = granted(host_config, self.host.capabilities)
        key = (hashlib.sha256(wanted.encode()).digest(), capabilities, accepts_bpf)
        if key not in self._made:
            async with self._making:  # whoever comes second finds it made
                if key not in self._made:
                    made = await trio.to_thread.run_sync(self._make, wanted, capabilities, accepts_bpf)
                    self._keep(key, made)
        self._made.move_to_end(key)
        return self._made[key]

    def _keep(self, key: _Key, made: Seccomp) -> None:
        self._made[key] = made
        if len(self._made) > KEPT:
            self._made.popitem(last=False)

    def _make(self, wanted: str, capabilities: frozenset[str], accepts_bpf: bool) -> Seccomp:
        profile = self._profile(wanted)
        section = oci_section(profile, Target(capabilities, self.host.architecture, self.host.kernel))
        if not accepts_bpf or any(section.get(name) for name in _ONLY_IN_SECTION):
            return OciSeccomp(section)
        return BpfSeccomp(base64.b64encode(compile_section(section)).decode("ascii"))

    def _profile(self, wanted: str) -> Document:
        if wanted in {BUILTIN, str(DEFAULT_PROFILE)}:
            return tightened(parse_profile(_text_of(DEFAULT_PROFILE)))
        return parse_profile(_text_of(self.default) if wanted == str(self.default) else wanted)


def _text_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        package = " (Debian package golang-github-containers-common)" if path == DEFAULT_PROFILE else ""
        raise Failed(f"cannot read the seccomp profile {path}: {error.strerror}{package}") from None
