#include "sandbox/engine/storage.h"

#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/engine/plan_container.h"
#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

userns::RootDriver parse_driver(const std::string& word) {
  if (word.empty() || word == "auto") return userns::RootDriver::automatic;
  if (word == "overlay") return userns::RootDriver::overlay;
  if (word == "fuse") return userns::RootDriver::fuse;
  throw UsageError(fmt::format("invalid argument \"{}\" for \"--storage-driver\" flag: auto, overlay or fuse", word));
}

std::uint64_t parse_count(const std::string& text) {
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error == std::errc{} && end == text.data() + text.size() && !text.empty()) return count;
  throw UsageError(fmt::format("invalid argument \"inodes={}\" for \"--storage-opt\" flag: not a number", text));
}

void take_option(const std::string& option, Storage& storage) {
  const auto equals = option.find('=');
  if (equals == std::string::npos) {
    throw UsageError(fmt::format("invalid argument \"{}\" for \"--storage-opt\" flag: not KEY=VALUE", option));
  }
  const std::string key = option.substr(0, equals), value = option.substr(equals + 1);
  if (key == "size") {
    storage.most_bytes = parse_size(value);
  } else if (key == "inodes") {
    storage.most_objects = parse_count(value);
  } else {
    throw UsageError(fmt::format("unknown option {}", key), "options of --storage-opt: size, inodes");
  }
}

}  // namespace

Storage parse_storage(const RunRequest& request) {
  Storage storage{.driver = parse_driver(request.storage_driver)};
  for (const std::string& option : request.storage_options) take_option(option, storage);
  if (storage.most_bytes == 0 && storage.most_objects == 0) return storage;
  if (!request.rootfs.empty() && !parse_rootfs(request.rootfs).overlay) {
    throw Unsupported(fmt::format("--storage-opt: a limit is for a container's own layer, and '{}' is written to itself",
                                  request.rootfs),
                      fmt::format("--rootfs {}:O", request.rootfs));
  }
  if (storage.driver == userns::RootDriver::overlay) {
    throw Unsupported("--storage-opt: the kernel's overlay has no limit that an ordinary user could set",
                      "leave out --storage-driver overlay (and SANDBOX_STORAGE_DRIVER): the fuse driver keeps limits");
  }
  storage.driver = userns::RootDriver::fuse;
  return storage;
}

}  // namespace sandbox::engine
