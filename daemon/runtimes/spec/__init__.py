"""OCI runtime specs: a container's configuration in, config.json out."""

from daemon.runtimes.spec.build import build_spec
from daemon.runtimes.spec.devices import find_block_devices, find_devices
from daemon.runtimes.spec.inputs import BpfSeccomp, DeviceNode, HostFacts, OciSeccomp, SpecInputs, host_facts
from daemon.runtimes.spec.process import build_process, command
from daemon.runtimes.spec.resources import cgroups_path

__all__ = [
    "BpfSeccomp",
    "DeviceNode",
    "HostFacts",
    "OciSeccomp",
    "SpecInputs",
    "build_process",
    "build_spec",
    "cgroups_path",
    "command",
    "find_block_devices",
    "find_devices",
    "host_facts",
]
