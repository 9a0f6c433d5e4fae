// What tells of registries: registries.conf, policy.json, auth.json, and the answers of registries and token servers.
#include "sandbox/base/digest.h"
#include "sandbox/base/json.h"
#include "sandbox/image/credentials.h"
#include "sandbox/image/policy.h"
#include "sandbox/image/registries_conf.h"
#include "sandbox/image/registry_auth.h"
#include "sandbox/image/registry_error.h"
#include "sandbox/image/registry_search.h"
#include "sandbox/image/registry_upload.h"
#include "target.h"

using namespace sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::as_text(data, size));
  fuzz::attempt([&] {
    image::RegistriesConf conf;
    image::add_registries_conf(conf, text, "fuzz");
    for (const char* name : {"busybox", "localhost:5000/x:1", "a.example.com/group/x"}) {
      fuzz::attempt([&] { fuzz::require(!image::candidates_of(conf, name).empty(), "a name stands for something"); });
      fuzz::attempt([&] {
        for (const image::Endpoint& endpoint : image::endpoints_of(conf, image::parse_reference(name))) {
          static_cast<void>(image::parse_reference(endpoint.reference.registry + "/" + endpoint.reference.repository));
        }
      });
    }
  });
  fuzz::attempt(
      [&] { static_cast<void>(image::judge(parse_json(text, "fuzz"), "docker", "a.example.com/group/x:1")); });
  fuzz::attempt([&] {
    const Json document = parse_json(text, "fuzz");
    if (!document.is_object()) return;
    const image::Credentials found =
        image::read_credentials(document, {"localhost:5000", "https://localhost:5000"}, "fuzz");
    static_cast<void>(found.basic());
  });
  fuzz::attempt([&] {
    const std::string token = image::parse_token(text);
    fuzz::require(token.find_first_of("\r\n") == std::string::npos, "a token is one line");
  });
  fuzz::attempt([&] { static_cast<void>(image::parse_search(text)); });
  fuzz::attempt([&] { static_cast<void>(image::parse_names(text, "repositories")); });
  for (const char c : image::registry_error(text)) fuzz::require(c >= ' ' && c <= '~', "errors are fit for terminals");
  static_cast<void>(image::parse_challenges(text));
  static_cast<void>(image::next_link(text));
  static_cast<void>(image::uploaded_bytes(text));
  return 0;
}
