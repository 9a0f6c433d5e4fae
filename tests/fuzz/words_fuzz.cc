// The words of the command line: sizes, signals, limits, ports, volumes, mounts, hosts, resolver settings, and where
// builds come from and go to.
#include <algorithm>

#include "sandbox/base/signal_name.h"
#include "sandbox/build/lint.h"
#include "sandbox/build/remote_source.h"
#include "sandbox/engine/build_output.h"
#include "sandbox/engine/cache_places.h"
#include "sandbox/engine/moments.h"
#include "sandbox/engine/mounts.h"
#include "sandbox/engine/network_files.h"
#include "sandbox/engine/ports.h"
#include "sandbox/engine/secrets.h"
#include "sandbox/engine/units.h"
#include "target.h"

using namespace sandbox;

namespace {

void check_resolver(const std::string& text) {
  fuzz::attempt([&] {
    engine::RunRequest request;
    request.dns_search = {text};
    request.dns_options = {text};
    const std::string rendered = engine::render_resolv_conf(request, text);
    const auto lines = std::ranges::count(rendered, '\n');
    fuzz::require(lines <= 3, "a word makes no line of its own");
  });
}

void check_build(const std::string& text) {
  fuzz::attempt([&] {
    if (!build::is_git_url(text)) return;
    const build::GitSource source = build::parse_git_url(text);
    fuzz::require(!source.url.starts_with('-') && !source.ref.starts_with('-'), "no word is an option");
  });
  fuzz::attempt([&] {
    const engine::BuildOutput output = engine::parse_output(text);
    fuzz::require(output.type != engine::BuildOutput::Type::local || !output.destination.empty(), "files go somewhere");
  });
  fuzz::attempt([&] { fuzz::require(!engine::parse_cache_from(text).place.empty(), "a cache is somewhere"); });
  fuzz::attempt([&] { static_cast<void>(engine::parse_cache_to(text)); });
  fuzz::attempt([&] { static_cast<void>(build::parse_check_options(text)); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::as_text(data, size));
  fuzz::attempt([&] { static_cast<void>(engine::parse_size(text)); });
  fuzz::attempt([&] {
    const engine::ChosenSecret secret = engine::parse_secret(text);
    fuzz::require(secret.variable || secret.target.starts_with('/'), "a secret's file has a place");
  });
  fuzz::attempt([&] {
    const int signal = parse_signal(text);
    fuzz::require(signal >= 1 && signal <= 64, "a signal is one");
  });
  fuzz::attempt([&] {
    const userns::Rlimit limit = engine::parse_ulimit(text);
    fuzz::require(limit.soft <= limit.hard, "a soft limit is within the hard one");
  });
  fuzz::attempt([&] {
    for (const auto& port : engine::parse_publish(text)) fuzz::require(port.container_port != 0, "a port is one");
  });
  fuzz::attempt([&] { static_cast<void>(engine::parse_volume(text, "/data")); });
  fuzz::attempt([&] { static_cast<void>(engine::parse_mount(text, "/data")); });
  fuzz::attempt([&] { static_cast<void>(engine::parse_tmpfs(text)); });
  fuzz::attempt([&] {
    const timespec moment = engine::parse_moment(text, {.tv_sec = 1'700'000'000, .tv_nsec = 0});
    fuzz::require(moment.tv_nsec >= 0 && moment.tv_nsec < 1'000'000'000, "nanoseconds are a part of a second");
  });
  static_cast<void>(engine::parse_time(text));
  check_resolver(text);
  check_build(text);
  return 0;
}
