// See identity.h. Runs in the client.
#include "sandbox/engine/identity.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/container_store.h"
#include "userns/subordinate_ids.h"

namespace sandbox::engine {
namespace {

constexpr std::size_t kFileLimit = 1U << 20;
constexpr std::size_t kGroupLimit = 65536;  // NGROUPS_MAX of Linux

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

/// Groups whose member list (group(5), fourth field) names the user.
std::vector<std::uint32_t> groups_of(std::string_view name, std::string_view text) {
  std::vector<std::uint32_t> groups;
  while (!name.empty() && !text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const std::string members = fmt::format(",{},", field(line, 3));
    const auto gid = parse_id(field(line, 2));
    if (gid && members.find(fmt::format(",{},", name)) != std::string::npos && groups.size() < kGroupLimit) {
      groups.push_back(*gid);
    }
  }
  return groups;
}

/// A number of the image's passwd file; one that is none never means root.
std::uint32_t id_in(std::string_view line, int index) {
  if (const auto id = parse_id(field(line, index))) return *id;
  throw InvalidInput(fmt::format("the passwd file has no valid id for '{}'", field(line, 0)));
}

/// The text of a regular file, and "" for any other kind; no value when there is none. `root`: O_PATH, the tree of a
/// stranger, who is called `whose`.
std::optional<std::string> read_below(int root, const std::string& path, const char* whose) {
  // O_PATH first: opening a stranger's fifo or device for reading could block or act.
  const auto found = sys::openat2(root, path.c_str(), O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (!found) return std::nullopt;
  const std::string name = fmt::format("'{}' of {}", path, whose);
  const struct stat status = sys::fstat(found->get()) | or_throw("reading the status of {}", name);
  if (!S_ISREG(status.st_mode)) return "";
  const std::string link = fmt::format("/proc/self/fd/{}", found->get());
  const Fd file = sys::openat(AT_FDCWD, link.c_str(), O_RDONLY) | or_throw("opening {}", name);
  return read_to_end(file.get(), name, kFileLimit);
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
  user.uid = uid ? *uid : id_in(line, 2);
  user.gid = line.empty() ? 0 : id_in(line, 3);
  if (const auto home = field(line, 5); home.starts_with('/')) user.home = home;
  if (group_word.empty()) {
    user.groups = groups_of(field(line, 0), group);
    return user;
  }
  user.gid = find_group(group_word, group);
  return user;
}

Account caller_account() {
  Account account;
  if (const passwd* own = ::getpwuid(::getuid()); own != nullptr)
    account = {own->pw_name, own->pw_gecos, {}, own->pw_dir};
  if (const struct group* own = ::getgrgid(::getgid()); own != nullptr) account.group = own->gr_name;
  return account;
}

namespace {

/// `name`, unless the file has somebody else of that name; then the number.
std::string free_name(const std::string& name, std::string_view file, std::uint32_t id) {
  return name.empty() || !find_line(file, 0, name).empty() ? fmt::format("{}", id) : name;
}

std::string with_line(std::string text, const std::string& line) {
  if (!text.ends_with('\n')) text += '\n';
  return text + line + '\n';
}

}  // namespace

GeneratedFiles complete_accounts(const AccountFiles& image, const User& user, const Account& account) {
  GeneratedFiles files;
  const std::string name = free_name(account.name, image.passwd, user.uid);
  if (!image.passwd.empty() && find_line(image.passwd, 2, fmt::format("{}", user.uid)).empty()) {
    const std::string title = account.real_name.empty() ? "container user" : account.real_name;
    files["passwd"] =
        with_line(image.passwd, fmt::format("{}:*:{}:{}:{}:{}:/bin/sh", name, user.uid, user.gid, title, user.home));
  }
  if (!image.group.empty() && find_line(image.group, 2, fmt::format("{}", user.gid)).empty()) {
    const std::string group = free_name(account.group, image.group, user.gid);
    files["group"] = with_line(image.group, fmt::format("{}:x:{}:{}", group, user.gid, name));
  }
  return files;
}

std::uint32_t find_group(std::string_view word, std::string_view group) {
  const auto gid = parse_id(word);
  const auto named = gid ? gid : parse_id(field(find_line(group, 0, word), 2));
  if (!named) throw UsageError(fmt::format("unable to find group {}: no matching entries in group file", word));
  return *named;
}

namespace {

/// All ids of `parent`, with 0 and `own` exchanged when `own` is another.
std::vector<userns::IdMapping> exchange_root(std::uint32_t own, const std::vector<userns::IdMapping>& parent) {
  const std::uint32_t count = userns::ids_from_zero(parent);
  if (own == 0) return {{0, 0, count}};
  if (own >= count) return {{0, 1, count - 1}, {own, 0, 1}};
  std::vector<userns::IdMapping> map{{0, own, 1}, {own, 0, 1}};
  if (own > 1) map.push_back({1, 1, own - 1});
  if (own + 1 < count) map.push_back({own + 1, own + 1, count - own - 1});
  return map;
}

bool holds(const std::vector<userns::IdMapping>& map, std::uint32_t id) {
  return std::ranges::any_of(map, [&](const auto& line) { return id >= line.inside && id - line.inside < line.count; });
}

}  // namespace

/// With a range of ids every id is real; without, root alone has what the calls need that change them.
userns::IdEmulation plan_emulation(const User& user, const HostIdentity& host, const std::string& word) {
  using userns::IdEmulation;
  if (!word.empty() && word != "off" && word != "record" && word != "full") {
    throw UsageError(fmt::format("invalid argument \"{}\" for \"--id-emulation\" flag: off, record or full", word));
  }
  const bool is_needed = host.range_uids.empty() && user.uid == 0;
  if (word.empty()) return is_needed && host.notifies ? IdEmulation::record : IdEmulation::off;
  if (word == "off") return IdEmulation::off;
  const std::string option = "--id-emulation=" + word;
  if (!host.range_uids.empty()) throw UsageError(option + ": with a range of ids owners are real");
  if (user.uid != 0) throw UsageError(option + ": only root changes owners and ids, and the container's user is another");
  if (!host.notifies) {
    throw Unsupported(option + ": no user notification of seccomp is to be had here",
                      "it takes Linux 5.0, and is taken inside of a container that records owners");
  }
  return word == "full" ? IdEmulation::full : IdEmulation::record;
}

userns::IdentityPlan plan_identity(const User& user, const HostIdentity& host, const std::string& mode,
                                   const std::string& emulation) {
  const bool keep_id = mode == "keep-id";
  // "host" is the caller's own namespace, which for an ordinary user has the ids of the default mode.
  if (!mode.empty() && mode != "private" && mode != "host" && !keep_id) {
    throw UsageError(fmt::format("--userns: invalid mode: {}", mode), "modes: host, keep-id");
  }
  userns::IdentityPlan identity;
  identity.emulation = plan_emulation(user, host, emulation);
  if (host.range_uids.empty()) {
    // One id is all that an ordinary user may map without help (user_namespaces(7)).
    identity.uid_map = {{user.uid, host.uid, 1}};
    identity.gid_map = {{user.gid, host.gid, 1}};
    return identity;
  }
  identity.nested = true;
  identity.uid_map = userns::nest_map(exchange_root(keep_id ? host.uid : 0, host.range_uids), host.range_uids);
  identity.gid_map = userns::nest_map(exchange_root(keep_id ? host.gid : 0, host.range_gids), host.range_gids);
  if (!is_mapped(identity, user)) {
    throw UsageError(fmt::format("user {}:{} is beyond the {} ids of your range", user.uid, user.gid, userns::ids_from_zero(host.range_uids)),
                     "more ids can be given in /etc/subuid and /etc/subgid");
  }
  return identity;
}

bool is_mapped(const userns::IdentityPlan& identity, const User& user) {
  return holds(identity.uid_map, user.uid) && holds(identity.gid_map, user.gid);
}

void become(userns::ProcessPlan& process, const userns::IdentityPlan& identity, const User& user) {
  if (is_mapped(identity, user)) {
    process.uid = user.uid;
    process.gid = user.gid;
    if (process.groups) process.groups = user.groups;
    return;
  }
  if (identity.emulation == userns::IdEmulation::off) {
    throw Unsupported(fmt::format("user {}:{} has no mapping in this container", user.uid, user.gid),
                      "start the container with that user: sandbox run -u");
  }
  process.uid = identity.uid_map.front().inside;
  process.gid = identity.gid_map.front().inside;
  process.emulated = {user.uid, user.gid, user.groups};
  process.capability_sets.emplace();  // it has no capabilities, as any user but root
}

std::string read_layer_file(const std::vector<std::string>& layers, const std::string& path) {
  for (const auto& layer : layers) {
    const Fd root = sys::openat(AT_FDCWD, layer.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening layer '{}'", layer);
    if (auto text = read_below(root.get(), path, "the image")) return *text;
  }
  return {};
}

std::string read_container_file(const container::State& state, const std::string& path) {
  return ask_child([&] {
    // As a member of the container's user namespace it could be traced from inside with --pid host.
    ::prctl(PR_SET_DUMPABLE, 0);
    const Fd process = sys::pidfd_open(state.pid) | or_throw("watching the container's first process");
    const Fd root = sys::openat(AT_FDCWD, fmt::format("/proc/{}/root", state.pid).c_str(), O_PATH | O_DIRECTORY) |
                    or_throw("opening the container's root");
    // Both descriptors are of one process and of the right one, if it still has its start time now.
    if (process_start_time(state.pid) != state.pid_start) throw Error("the container has ended");
    // A FUSE root answers only members of the user namespace that it was mounted in (fs/fuse/dir.c).
    sys::setns(process.get(), CLONE_NEWUSER) | or_throw("joining the container's user namespace");
    return read_below(root.get(), path, "the container").value_or("");
  });
}

}  // namespace sandbox::engine
