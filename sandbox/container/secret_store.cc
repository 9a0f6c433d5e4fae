// See secret_store.h.
#include "sandbox/container/secret_store.h"

#include <algorithm>

#include "sandbox/base/assignments.h"
#include "sandbox/base/base64.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/base/json_fields.h"
#include "sandbox/base/sys.h"

namespace sandbox::container {

template <class A>
void describe(A& field, Described<Secret> auto& secret) {
  field("name", secret.name);
  field("id", secret.id);
  field("created", secret.created);
  field("updated", secret.updated);
  field("labels", secret.labels);
  field("data", secret.data);
}

namespace {

constexpr int kVersion = 1;
constexpr const char* kWhat = "secret";
constexpr std::string_view kSuffix = ".json";
constexpr std::size_t kIdDigits = 25;

}  // namespace

Json to_json(const Secret& secret) {
  Secret written = secret;
  written.data = base64(secret.data);  // any bytes
  return write_versioned(written, kVersion);
}

Secret secret_from_json(const Json& document) {
  Secret secret = read_versioned<Secret>(document, kWhat, kVersion);
  const JsonReader reader(document, kWhat, "");
  if (!is_valid_name(secret.name)) reader.fail("name", "is not a valid name");
  if (!is_hex(secret.id, kIdDigits)) reader.fail("id", "is not 25 lower-case hexadecimal digits");
  const auto data = from_base64(secret.data);
  if (!data || data->size() > most_secret_bytes) reader.fail("data", "is not at most 512000 bytes in base64");
  secret.data = *data;
  return secret;
}

void add_secret_variables(const Container& container, std::vector<std::string>& env) {
  for (const auto& [name, file] : container.spec.secret_variables) {
    const std::string value = read_file(fmt::format("{}/{}", container.directory, file));
    set_environment(env, fmt::format("{}={}", name, value));
  }
}

Secret SecretStore::find(std::string_view reference) const {
  const std::string name(reference);
  if (is_valid_name(name) && path_exists(path_of(name))) {
    return secret_from_json(parse_json(read_file(path_of(name)), path_of(name)));
  }
  std::vector<Secret> meant = list();
  std::erase_if(meant, [&](const Secret& one) { return reference.empty() || !one.id.starts_with(reference); });
  if (meant.empty()) throw NotFound(fmt::format("no secret with name or id \"{}\": no such secret", reference));
  if (meant.size() > 1)
    throw Conflict(fmt::format("more than one secret has an id that begins with \"{}\"", reference));
  return std::move(meant.front());
}

std::vector<Secret> SecretStore::list() const {
  std::vector<Secret> secrets;
  for (const std::string& file : list_directory(root_)) {
    if (!file.ends_with(kSuffix)) continue;
    try {
      secrets.push_back(secret_from_json(parse_json(read_file(root_ + "/" + file), file)));
    } catch (const SysError&) {
      // removed while we looked
    } catch (const Error& error) {
      fmt::print(stderr, "warning: leaving out secret {}: {}\n", file, error.what());
    }
  }
  std::ranges::sort(secrets, {}, &Secret::name);
  return secrets;
}

void SecretStore::add(const Secret& secret, bool replace) const {
  make_directories(root_);
  const FileLock lock(root_ + "/.lock");
  for (const std::string& file : list_directory(root_)) {
    // Of one who was killed while the lock was held.
    if (file.ends_with(".tmp")) (void)sys::unlinkat(AT_FDCWD, (root_ + "/" + file).c_str(), 0);
  }
  if (!replace && path_exists(path_of(secret.name))) {
    throw Conflict(fmt::format("{}: secret name in use", secret.name), "--replace puts this one in its place");
  }
  write_file_atomic(path_of(secret.name), to_json(secret).dump());
}

void SecretStore::remove(const Secret& secret) const {
  const auto removed = sys::unlinkat(AT_FDCWD, path_of(secret.name).c_str(), 0);
  if (!removed && removed.error().value != ENOENT)
    throw SysError(removed.error(), fmt::format("removing secret '{}'", secret.name));
  const Fd directory = sys::openat(AT_FDCWD, root_.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", root_);
  sys::fsync(directory.get()) | or_throw("syncing '{}'", root_);
}

}  // namespace sandbox::container
