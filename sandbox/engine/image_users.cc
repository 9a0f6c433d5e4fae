// See image_users.h.
#include "sandbox/engine/image_users.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/image_mount.h"

namespace sandbox::engine {
namespace {

constexpr std::size_t kDigits = 64;
constexpr std::size_t kLargestDescription = 16U << 20;

/// The layers below `layers` that a text names.
std::vector<std::string> layers_named_in(const std::string& text, const std::string& layers) {
  std::vector<std::string> found;
  for (auto at = text.find(layers); at != std::string::npos; at = text.find(layers, at + 1)) {
    const std::string chain = text.substr(at + layers.size(), kDigits);
    if (!is_hex(chain, kDigits)) continue;
    found.push_back(layers + chain + "/fs");
    found.push_back(layers + chain + ".ids/fs");
  }
  return found;
}

image::ImageUser read_by_text(const Places& places, const std::string& id) {
  image::ImageUser user{id.substr(0, 12), {}, false, {}};
  try {
    const std::string text =
        read_file(fmt::format("{}/containers/{}/container.json", places.data, id), kLargestDescription);
    user.layers = layers_named_in(text, places.data + "/layers/");
    constexpr std::string_view key = "\"image_id\":\"";
    if (const auto at = text.find(key); at != std::string::npos)
      user.image_id = text.substr(at + key.size(), 7 + kDigits);
  } catch (const Error&) {
    // Nothing to read: it has nothing.
  }
  return user;
}

}  // namespace

std::vector<std::string> layers_of(const container::Spec& spec) {
  std::vector<std::string> layers = spec.plan.root.lower;
  for (const userns::MountOp& mount : spec.plan.mounts) {
    std::ranges::copy_if(mount.lower, std::back_inserter(layers), image::is_layer);
  }
  return layers;
}

std::vector<image::ImageUser> image_users(const Places& places) {
  std::vector<image::ImageUser> users;
  std::set<std::string> known;
  for (const auto& found : container::ContainerStore(places).list()) {
    known.insert(found.spec.id);
    users.push_back(
        {found.spec.id.substr(0, 12), found.spec.image_id, container::is_up(found.state), layers_of(found.spec)});
  }
  for (ImageMount& mount : image_mounts(places)) {
    users.push_back({{}, mount.image_id, true, std::move(mount.layers), mount.path});
  }
  for (const std::string& name : list_directory(places.data + "/containers")) {
    if (is_hex(name, kDigits) && !known.contains(name)) users.push_back(read_by_text(places, name));
  }
  return users;
}

}  // namespace sandbox::engine
