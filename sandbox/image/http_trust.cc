#include "sandbox/image/http_trust.h"

#include <algorithm>
#include <cstdlib>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"

namespace sandbox::image {
namespace {

constexpr const char* system_bundle = "/etc/ssl/certs/ca-certificates.crt";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string certificates_directory(const std::string& authority) {
  std::string configuration = environment("XDG_CONFIG_HOME");
  if (const std::string home = environment("HOME"); configuration.empty() && !home.empty()) configuration = home + "/.config";
  std::vector<std::string> places = {"/etc/containers", "/etc/docker"};
  if (!configuration.empty()) places.insert(places.begin(), {configuration + "/containers", configuration + "/docker"});
  for (const std::string& place : places) {
    const std::string directory = fmt::format("{}/certs.d/{}", place, authority);
    if (path_exists(directory)) return directory;
  }
  return {};
}

}  // namespace

Trust trust_for(const std::string& authority) {
  Trust trust{environment("SSL_CERT_FILE"), environment("SSL_CERT_DIR"), {}, {}, {}};
  const std::string directory = certificates_directory(authority);
  if (directory.empty()) return trust;
  std::vector<std::string> names = list_directory(directory);
  std::ranges::sort(names);
  std::string own;
  for (const std::string& name : names) {
    const std::string path = directory + "/" + name;
    if (name.ends_with(".crt")) own += read_file(path) + "\n";
    if (!name.ends_with(".cert")) continue;
    trust.certificate = path;
    trust.key = path.substr(0, path.size() - sizeof("cert") + 1) + "key";
  }
  const std::string base = trust.ca_file.empty() ? system_bundle : trust.ca_file;
  if (!own.empty()) trust.ca_bundle = (path_exists(base) ? read_file(base) : std::string()) + own;
  return trust;
}

}  // namespace sandbox::image
