"""The OCI runtime spec of a container, as Docker would have made it.

Building is pure: the same inputs give the same document.  What the client may ask for has been
checked at create (`daemon.actors.container.admission`); errors raised from here repeat those checks
for records that were written by an older engine.

Source: OCI runtime specification 1.0.2.
"""

from __future__ import annotations

from typing import Any, Final

from daemon.runtimes.spec.devices import nodes
from daemon.runtimes.spec.inputs import BpfSeccomp, OciSeccomp, SpecInputs
from daemon.runtimes.spec.mounts import mounts, rootfs_propagation
from daemon.runtimes.spec.namespaces import HOST, namespaces
from daemon.runtimes.spec.process import container_process
from daemon.runtimes.spec.resources import resources
from daemon.runtimes.spec.sysctls import sysctls

OCI_VERSION: Final = "1.0.2"
# crun 1.6 and later loads this instead of compiling a seccomp section (crun.1, "run.oci.seccomp_bpf_data").
BPF_ANNOTATION: Final = "run.oci.seccomp_bpf_data"


def build_spec(inputs: SpecInputs) -> dict[str, Any]:
    """Return the document to be written as a bundle's config.json.

    Raises:
        InvalidParameter: something the client asked for is malformed.
        NotImplementedHere: it asks for something this engine does not do.

    """
    return {
        "ociVersion": OCI_VERSION,
        "process": container_process(inputs),
        "root": {"path": str(inputs.rootfs), "readonly": inputs.host_config.readonly_rootfs},
        **_hostname(inputs),
        "mounts": mounts(inputs),
        "annotations": _annotations(inputs),
        "linux": _linux(inputs),
    }


def _hostname(inputs: SpecInputs) -> dict[str, str]:
    """Return the host name, unless it would be the host's that is set."""
    if inputs.host_config.uts_mode == HOST:
        return {}
    domain = inputs.config.domainname
    return {"hostname": f"{inputs.hostname}.{domain}" if domain else inputs.hostname}


def _annotations(inputs: SpecInputs) -> dict[str, str]:
    annotations = dict(inputs.host_config.annotations or {})
    if isinstance(inputs.seccomp, BpfSeccomp):
        annotations[BPF_ANNOTATION] = inputs.seccomp.program
    return annotations


def _linux(inputs: SpecInputs) -> dict[str, Any]:
    host_config = inputs.host_config
    propagation = rootfs_propagation(host_config)
    optional = {
        "seccomp": inputs.seccomp.section if isinstance(inputs.seccomp, OciSeccomp) else None,
        "rootfsPropagation": propagation,
        "devices": nodes(inputs.devices),
        "maskedPaths": None if host_config.privileged else list(host_config.masked_paths or ()),
        "readonlyPaths": None if host_config.privileged else list(host_config.readonly_paths or ()),
        "sysctl": sysctls(inputs.config, host_config),
    }
    return {
        "cgroupsPath": inputs.cgroups_path,
        "namespaces": namespaces(host_config, inputs.joined),
        "resources": resources(inputs),
        **{name: value for name, value in optional.items() if value},
    }
