// EXPOSE's ports. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sandbox::build {

/// "80", "80/udp", "8000-8003/tcp" as "80/tcp" …. Throws InvalidInput.
std::vector<std::string> exposed_ports(std::string_view text);

}  // namespace sandbox::build
