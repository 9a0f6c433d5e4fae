// The home directory that a container's own accounts give to a user.
#pragma once

#include <cstdint>
#include <string>

namespace sandbox::userns {

/// From /etc/passwd below the present root, whose content is hostile: at most 1 MiB of a regular file is read. "/" when
/// the user is not there or the file can't be read.
std::string find_home(std::uint32_t uid);

}  // namespace sandbox::userns
