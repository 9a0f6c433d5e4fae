// See secrets.h. Runs in the client.
#include "sandbox/engine/secrets.h"

#include <algorithm>
#include <charconv>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/secret_store.h"
#include "sandbox/engine/container_root.h"

namespace sandbox::engine {
namespace {

constexpr std::string_view kPlace = "/run/secrets";

[[noreturn]] void refuse(std::string_view words, std::string_view reason) {
  throw UsageError(fmt::format("invalid argument \"{}\" for \"--secret\" flag: {}", words, reason));
}

std::uint32_t number(std::string_view words, const OptionField& field, int base) {
  const std::string_view text = field.value.value_or("");
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value == UINT32_MAX)
    refuse(words, fmt::format("{} '{}' is no number", field.key, text));
  return value;
}

/// None of the parts of a path that lead elsewhere.
bool is_plain_path(std::string_view path) {
  const std::string whole = fmt::format("/{}/", path);
  return !path.empty() && whole.find("/../") == std::string::npos && whole.find("/./") == std::string::npos &&
         !path.ends_with('/');
}

/// `file`: the secret's.
void give(const Places& places, const userns::LaunchPlan& plan, const ChosenSecret& secret, const Fd& file) {
  const std::uint32_t uid = secret.uid.value_or(0), gid = secret.gid.value_or(0);
  if (!plan.identity.nested) {
    // With one id every file is its user's.
    if (uid == plan.process.uid && gid == plan.process.gid) return;
    throw Unsupported(fmt::format("secret {} can't be of user {}:{}, which has no id here", secret.name, uid, gid),
                      "see 'sandbox doctor' for how to get a range of ids");
  }
  (void)ask_in_image(places, plan, [&](int) {
    sys::fchownat(file.get(), "", uid, gid, AT_EMPTY_PATH) |
        or_throw("giving secret {} to {}:{}", secret.name, uid, gid);
    return std::string();
  }).answer();
}

}  // namespace

ChosenSecret parse_secret(std::string_view words) {
  const auto fields = split_options(words);
  ChosenSecret secret;
  const bool is_named = !fields.empty() && !fields.front().key.empty() && !fields.front().value;
  if (!is_named) refuse(words, "a secret's name comes first");
  secret.name = fields.front().key;
  const OptionField* of_file = nullptr;  // what only a file can have
  for (std::size_t i = 1; i < fields.size(); ++i) {
    const OptionField& field = fields[i];
    const std::string_view value = field.value.value_or("");
    if (field.key == "type") {
      if (value != "mount" && value != "env") refuse(words, fmt::format("type {} is invalid", value));
      secret.variable = value == "env";
    } else if (field.key == "target") {
      secret.target = value;
    } else if (field.key == "uid" || field.key == "gid") {
      (field.key == "uid" ? secret.uid : secret.gid) = number(words, field, 10);
      of_file = &field;
    } else if (field.key == "mode") {
      secret.mode = number(words, field, 8);
      if (secret.mode > 0777) refuse(words, fmt::format("mode '{}' is beyond 0777", value));
      of_file = &field;
    } else {
      refuse(words, fmt::format("option {} is unknown", field.key));
    }
  }
  if (secret.variable && of_file != nullptr) refuse(words, fmt::format("a variable has no {}", of_file->key));
  if (secret.target.empty()) secret.target = secret.name;
  if (secret.variable) {
    if (secret.target.contains('=')) refuse(words, fmt::format("'{}' is no variable's name", secret.target));
    return secret;
  }
  if (!is_plain_path(secret.target)) refuse(words, fmt::format("target '{}' is no plain path", secret.target));
  if (!secret.target.starts_with('/')) secret.target = fmt::format("{}/{}", kPlace, secret.target);
  return secret;
}

std::vector<ChosenSecret> choose_secrets(const Places& places, const std::vector<std::string>& words) {
  std::vector<ChosenSecret> chosen;
  for (const std::string& one : words) {
    chosen.push_back(parse_secret(one));
    ChosenSecret& secret = chosen.back();
    secret.data = container::SecretStore(places).find(secret.name).data;
    if (secret.variable && secret.data.find('\0') != std::string::npos)
      refuse(one, "a variable can't hold a zero byte");
  }
  return chosen;
}

std::string secret_file(std::size_t number) { return fmt::format("secrets/{}", number); }

std::vector<userns::MountOp> secret_mounts(const std::vector<ChosenSecret>& secrets, const std::string& directory) {
  std::vector<userns::MountOp> mounts;
  const auto is_there = [](const ChosenSecret& one) {
    return !one.variable && one.target.starts_with(std::string(kPlace) + "/");
  };
  if (std::ranges::any_of(secrets, is_there)) {
    userns::MountOp& place = mounts.emplace_back();
    place.kind = userns::MountKind::tmpfs;
    place.target = kPlace;
    place.data = "mode=755,size=64k";
    place.no_exec = true;
  }
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    if (secrets[i].variable) continue;
    userns::MountOp& mount = mounts.emplace_back();
    mount.source = fmt::format("{}/{}", directory, secret_file(i));
    mount.target = secrets[i].target;
    mount.read_only = mount.no_exec = true;
  }
  return mounts;
}

std::vector<container::SecretVariable> secret_variables(const std::vector<ChosenSecret>& secrets) {
  std::vector<container::SecretVariable> variables;
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    if (secrets[i].variable) variables.push_back({secrets[i].target, secret_file(i)});
  }
  return variables;
}

void write_secrets(const Places& places, const userns::LaunchPlan& plan, const std::string& directory,
                   const std::vector<ChosenSecret>& secrets) {
  if (secrets.empty()) return;
  const std::string parent = directory + "/secrets";
  make_directories(parent);
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    const ChosenSecret& secret = secrets[i];
    const std::string path = fmt::format("{}/{}", directory, secret_file(i));
    write_file_atomic(path, secret.data, false, 0600);
    const Fd file = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
    if (!secret.variable) {
      sys::fchmod(file.get(), secret.mode) | or_throw("setting the mode of '{}'", path);  // whatever the umask
      if (secret.uid || secret.gid) give(places, plan, secret, file);
    }
    sys::fsync(file.get()) | or_throw("syncing '{}'", path);  // nobody else may be able to open it
  }
  const Fd place = sys::openat(AT_FDCWD, parent.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", parent);
  sys::fsync(place.get()) | or_throw("syncing '{}'", parent);
}

}  // namespace sandbox::engine
