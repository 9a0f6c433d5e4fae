// See identity.h. Runs in the client.
#include "sandbox/engine/identity.h"

#include <charconv>
#include <optional>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::engine {
namespace {

constexpr std::size_t kFileLimit = 1U << 20;

std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value == UINT32_MAX) return {};
  return value;
}

std::string_view field(std::string_view line, int index) {
  for (; index > 0; --index) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return {};
    line.remove_prefix(colon + 1);
  }
  return line.substr(0, line.find(':'));
}

/// The first line whose field `index` equals `value`.
std::string_view find_line(std::string_view text, int index, std::string_view value) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (field(line, index) == value) return line;
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return {};
}

std::string read_regular(int fd, const std::string& path) {
  std::string text;
  char buffer[8192];
  for (;;) {
    const std::size_t count = sys::read(fd, buffer, sizeof buffer) | or_throw("reading '{}' of the image", path);
    if (count == 0) return text;
    text.append(buffer, count);
    if (text.size() > kFileLimit) throw InvalidInput(fmt::format("'{}' of the image is larger than 1 MiB", path));
  }
}

}  // namespace

User resolve_user(std::string_view words, std::string_view passwd, std::string_view group) {
  User user;
  const auto colon = words.find(':');
  const std::string_view user_word = words.substr(0, colon);
  const std::string_view group_word = colon == std::string_view::npos ? std::string_view{} : words.substr(colon + 1);
  const auto uid = user_word.empty() ? std::optional<std::uint32_t>(0) : parse_id(user_word);
  const std::string_view line =
      uid ? find_line(passwd, 2, fmt::format("{}", *uid)) : find_line(passwd, 0, user_word);
  if (!uid && line.empty()) {
    throw UsageError(fmt::format("unable to find user {}: no matching entries in passwd file", user_word));
  }
  user.uid = uid ? *uid : parse_id(field(line, 2)).value_or(0);
  user.gid = parse_id(field(line, 3)).value_or(0);
  if (const auto home = field(line, 5); home.starts_with('/')) user.home = home;
  if (group_word.empty()) return user;
  const auto gid = parse_id(group_word);
  const auto named = gid ? gid : parse_id(field(find_line(group, 0, group_word), 2));
  if (!named) throw UsageError(fmt::format("unable to find group {}: no matching entries in group file", group_word));
  user.gid = *named;
  return user;
}

std::string read_layer_file(const std::vector<std::string>& layers, const std::string& path) {
  for (const auto& layer : layers) {
    const Fd root = sys::openat(AT_FDCWD, layer.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening layer '{}'", layer);
    // O_PATH first: opening a stranger's fifo or device for reading could block or act.
    const auto found = sys::openat2(root.get(), path.c_str(), O_PATH, RESOLVE_IN_ROOT);
    if (!found) continue;
    const struct stat status = sys::fstat(found->get()) | or_throw("reading the status of '{}' of the image", path);
    if (!S_ISREG(status.st_mode)) return {};
    const auto link = fmt::format("/proc/self/fd/{}", found->get());
    const Fd file = sys::openat(AT_FDCWD, link.c_str(), O_RDONLY) | or_throw("opening '{}' of the image", path);
    return read_regular(file.get(), path);
  }
  return {};
}

}  // namespace sandbox::engine
