"""Makes `Settings` of daemon.json and flags, or says everything that is wrong with them.

`load` is pure: it reads no file and asks the host nothing, so that a reload can build and check a
complete new configuration before anything of the old one is touched.  Keys and messages are
dockerd's where dockerd has them, because people have such files and programs read its errors.

A key that this engine does not honour is refused, never passed over: a wish that is silently not
granted is found out at the worst time.  A key that has nothing to act on yet is taken, because a
file is shared with engines that act on it, and `warnings` says so.
"""

from __future__ import annotations

from daemon.configuration.keys import keys, takes_effect, warnings
from daemon.configuration.loading import load
from daemon.configuration.problems import InvalidSettings
from daemon.configuration.runtime_checks import SHIMS, oci_runtime
from daemon.configuration.source import Source

__all__ = ["SHIMS", "InvalidSettings", "Source", "keys", "load", "oci_runtime", "takes_effect", "warnings"]
