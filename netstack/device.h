// Network devices that exist, and go from one network namespace into another.
#pragma once

#include <string>

namespace sandbox::netstack {

/// Moves the device `name` of the current network namespace into the one behind `target`, where it is called `new_name`
/// ("eth%d": with the first free number) and is up, with its permanent addresses of global scope. The calling process
/// has one thread, and CAP_NET_ADMIN and CAP_SYS_ADMIN over both. Throws SysError.
void move_device(const std::string& name, int target, const std::string& new_name);

}  // namespace sandbox::netstack
