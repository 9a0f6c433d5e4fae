// Devices in the container's root, which an image may have filled with anything. Zone B, before pivot_root.
#pragma once

#include "userns/launch_plan.h"

namespace sandbox::userns {

bool is_character_device(int fd, unsigned major, unsigned minor);
/// The harmless devices and the standard links in the container's /dev.
void populate_dev(int root);
/// Where it may be and means something by mknod(2), which makes it what is asked for; elsewhere the host's own node.
void make_device(int root, const DevicePlan& device);
/// Binds the terminal `slave` on /dev/console.
void bind_console(int root, int slave);

}  // namespace sandbox::userns
