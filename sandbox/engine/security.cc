// See security.h. Runs in the client. The cache lies in the user's own data directory (0700).
#include "sandbox/engine/security.h"

#include <linux/filter.h>
#include <string.h>

#include <algorithm>

#include "profiles/seccomp.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"

namespace sandbox::engine {
namespace {

constexpr std::size_t kProfileLimit = 1U << 20;

std::vector<std::byte> to_bytes(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) ::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

/// The kernel takes 1 to BPF_MAXINSNS whole instructions; anything else is no cache entry of ours.
bool is_plausible_filter(std::size_t size) {
  return size > 0 && size % sizeof(sock_filter) == 0 && size / sizeof(sock_filter) <= BPF_MAXINSNS;
}

void add_names(std::string_view text, std::vector<std::string>& names) {
  for (;;) {
    const auto comma = text.find(',');
    names.emplace_back(text.substr(0, comma));
    if (comma == text.npos) return;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

SecurityOptions parse_security_options(const std::vector<std::string>& options) {
  SecurityOptions result;
  for (const auto& option : options) {
    const auto separator = option.find_first_of("=:");
    const std::string key = option.substr(0, separator);
    const std::string value = separator == std::string::npos ? "" : option.substr(separator + 1);
    if (key == "no-new-privileges") {
      if (!value.empty() && value != "true" && value != "false") {
        throw UsageError(fmt::format("invalid --security-opt: \"{}\"", option));
      }
      result.no_new_privs = value != "false";
    } else if ((key == "label" && value == "disable") || (key == "apparmor" && value == "unconfined")) {
      // So it is: neither confines a container here.
    } else if (key == "systempaths" && value == "unconfined") {
      result.masks_paths = false;
    } else if (key == "seccomp" && !value.empty()) {
      result.seccomp = value == "builtin" ? "" : value;
      result.denied_calls.clear();
    } else if (key == "deny-calls" && !value.empty()) {
      add_names(value, result.denied_calls);
    } else {
      throw UsageError(fmt::format("invalid --security-opt: \"{}\"", option),
                       "no-new-privileges[=false], seccomp=FILE, seccomp=unconfined, deny-calls=NAME[,NAME...], "
                       "systempaths=unconfined, apparmor=unconfined and label=disable are supported");
    }
  }
  if (result.seccomp == "unconfined" && !result.denied_calls.empty()) {
    throw UsageError("deny-calls and seccomp=unconfined contradict each other: there is no filter to narrow");
  }
  return result;
}

SecurityOptions security_of(const RunRequest& request) {
  SecurityOptions options = parse_security_options(request.security_options);
  if (!request.privileged) return options;
  const auto names = [](const std::string& option) { return option.starts_with("no-new-privileges"); };
  if (std::ranges::none_of(request.security_options, names)) options.no_new_privs = false;
  if (options.seccomp.empty() && options.denied_calls.empty()) options.seccomp = "unconfined";
  options.masks_paths = false;
  return options;
}

std::vector<std::byte> seccomp_filter(const SecurityOptions& options, std::uint64_t capabilities,
                                      const std::string& data) {
  if (options.seccomp == "unconfined") return {};
  const std::string profile = options.seccomp.empty() ? std::string(profiles::default_seccomp_profile())
                                                      : read_file(options.seccomp, kProfileLimit);
  std::string denied;
  for (const std::string& call : options.denied_calls) denied += call + ",";
  const std::string key =
      sha256_digest(fmt::format("{}\n{:x}\n{}\n{}", SANDBOX_VERSION, capabilities, denied, profile)).substr(7);
  const std::string cached = fmt::format("{}/cache/seccomp-{}", data, key);
  if (path_exists(cached)) {
    const std::string filter = read_file(cached);
    if (is_plausible_filter(filter.size())) return to_bytes(filter);
  }
  const std::string name = options.seccomp.empty() ? "the built-in seccomp profile" : options.seccomp;
  Json document = parse_json(profile, name);
  if (!options.denied_calls.empty()) document = profiles::without_calls(std::move(document), options.denied_calls);
  const auto filter = profiles::compile_seccomp(document, capabilities);
  if (!is_plausible_filter(filter.size())) throw InvalidInput(fmt::format("{}: the filter is empty or too long", name));
  make_directories(data + "/cache");
  write_file_atomic(cached, {reinterpret_cast<const char*>(filter.data()), filter.size()}, false);
  return filter;
}

}  // namespace sandbox::engine
