// Extended attributes that belong to a layer's content, as opposed to those that mean something to this machine.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandbox::overlay {

/// Those of users ("user.*"), but for the ones that overlay implementations and this program give a meaning to.
bool is_layer_attribute(std::string_view name);

/// The value of security.capability as archives carry it. Inside the user namespace that it is of the kernel shows it
/// in that form (VFS_CAP_REVISION_2); elsewhere with the id of that namespace's root, which means nothing to others.
std::string portable_capability(std::string value);

/// All that an archive should carry of an open file or directory, sorted by name.
std::vector<std::pair<std::string, std::string>> layer_attributes(int fd);

}  // namespace sandbox::overlay
