"""A layer's tar on its way through gzip, by ISA-L, digested before and after.

The same pieces always come out as the same bytes: the header has neither name nor time.

Measured on 300 MB of programs and libraries with both digests, two cores that others used as well: level 1
makes 40.5 % of them at 165 MB/s of tar, level 3 39.3 % at 90; zlib's level 1 39.4 % at 30, its level 6
35.4 % at 6.
"""

from __future__ import annotations

import hashlib
from typing import Final

import attrs
from isal import isal_zlib

from daemon.images import digests
from daemon.images.digests import Measured

LEVEL: Final = 1
GZIP_WINDOW: Final = 31  # with gzip's own header, as zlib's deflateInit2 counts


def _compressor() -> isal_zlib.Compress:
    return isal_zlib.compressobj(LEVEL, wbits=GZIP_WINDOW)


@attrs.define(eq=False)
class Packer:
    """Packs one tar, piece by piece; works in a thread, and leaves the interpreter to others meanwhile.

    `packed_bytes` is how many have come out so far.
    """

    _compressor: isal_zlib.Compress = attrs.field(factory=_compressor, init=False)
    _plain: hashlib._Hash = attrs.field(factory=hashlib.sha256, init=False)
    _packed: hashlib._Hash = attrs.field(factory=hashlib.sha256, init=False)
    packed_bytes: int = attrs.field(default=0, init=False)

    def pack(self, piece: bytes) -> bytes:
        """Return what a piece comes to, with what was held back before; often nothing."""
        self._plain.update(piece)
        return self._out(self._compressor.compress(piece))

    def end(self) -> bytes:
        """Return what is left."""
        return self._out(self._compressor.flush())

    @property
    def diff_id(self) -> str:
        """The digest of all pieces."""
        return digests.PREFIX + self._plain.hexdigest()

    @property
    def packed(self) -> Measured:
        """All that has come out."""
        return Measured(digests.PREFIX + self._packed.hexdigest(), self.packed_bytes)

    def _out(self, packed: bytes) -> bytes:
        self._packed.update(packed)
        self.packed_bytes += len(packed)
        return packed
