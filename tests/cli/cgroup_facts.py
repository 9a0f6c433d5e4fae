"""What the machine lets the user who tests do with cgroups."""

import os
import pathlib


def own_cgroup():
    """The directory of the caller's own cgroup v2; none where it is not visible."""
    own = [line[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::/")]
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields, kind = line.split(" - ")
        if own and kind.startswith("cgroup2 "):
            root, point = fields.split()[3:5]
            if own[0].startswith(root) and not own[0].startswith("/.."):
                return pathlib.Path(point + "/" + own[0][len(root):].strip("/"))
    return None


OWN = own_cgroup()
if OWN is not None and OWN.name == "sandbox-supervisor":
    OWN = OWN.parent
DELEGATED = OWN is not None and all(os.access(OWN / name, os.W_OK) for name in ("", "cgroup.procs", "cgroup.subtree_control"))
CONTROLLERS = (OWN / "cgroup.controllers").read_text().split() if OWN else []
HYBRID = any(line.split(":")[1] and not line.split(":")[1].startswith("name=")
             for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines())
