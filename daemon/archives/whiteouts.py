"""How a layer says that files of lower layers are gone: AUFS's names in a tar, overlayfs's nodes in a tree.

Source: OCI image specification, layer.md, "Whiteouts"; kernel Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

WHITEOUT: Final = b".wh."
OPAQUE: Final = b".wh..wh..opq"
PRIVATE: Final = b".wh..wh."  # bookkeeping of aufs, of no meaning elsewhere
OPAQUE_ATTRIBUTE: Final = "trusted.overlay.opaque"
IS_OPAQUE: Final = b"y"


def is_whiteout(found: os.stat_result) -> bool:
    """Tell whether a file is overlayfs's sign for one that is gone."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
