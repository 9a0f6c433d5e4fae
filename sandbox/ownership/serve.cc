// The owner helper (sbx:owner): one per container whose ids are emulated. One thread, one poll loop.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include <cstring>
#include <list>

#include "sandbox/base/error.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "sandbox/ownership/answers.h"
#include "sandbox/ownership/confine.h"
#include "sandbox/ownership/ownership.h"

namespace sandbox::ownership {
namespace {

constexpr std::size_t kLongestMessage = 65536;

Config config_from_json(const Json& document) {
  try {
    return {document.at("uid").get<Id>(), document.at("gid").get<Id>(), document.at("upper").get<std::string>(),
            document.at("file").get<std::string>()};
  } catch (const Json::exception& error) {
    throw InvalidInput(fmt::format("owner configuration: {}", error.what()));
  }
}

std::set<std::uint64_t> mounts_from(const std::vector<std::byte>& data) {
  std::set<std::uint64_t> mounts;
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= data.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t mount = 0;
    std::memcpy(&mount, &data[at], sizeof mount);
    mounts.insert(mount);
  }
  return mounts;
}

void say(const Fd& channel, std::string_view words) {
  (void)sys::send_message(channel.get(), std::as_bytes(std::span(words)), {});
}

/// Takes listeners until the supervisor has gone, and answers.
void serve(const Fd& channel, Answers& answers) {
  std::list<Listener> listeners;
  for (;;) {
    std::vector<pollfd> items{{channel.get(), POLLIN, 0}};
    for (const Listener& listener : listeners) items.push_back({listener.fd(), POLLIN, 0});
    if (::poll(items.data(), items.size(), -1) < 0) {
      if (errno == EINTR) continue;
      throw SysError(Errno{errno}, "waiting for calls");
    }
    std::size_t index = 0;
    for (auto listener = listeners.begin(); listener != listeners.end();) {
      const short events = items[++index].revents;
      if ((events & POLLIN) != 0) {
        if (const auto asked = listener->receive()) listener->answer(asked->id, answers.answer(*listener, *asked));
      }
      const bool ended = (events & POLLIN) == 0 && (events & (POLLHUP | POLLERR)) != 0;
      listener = ended ? listeners.erase(listener) : std::next(listener);
    }
    if (items[0].revents == 0) continue;
    sys::Message message =
        sys::receive_message(channel.get(), kLongestMessage) | or_throw("reading from the supervisor");
    if (message.data.empty()) return;
    for (Fd& fd : message.fds) listeners.emplace_back(std::move(fd));
  }
}

void prepare_and_serve(const Config& config, const Fd& channel) {
  Owners::Settings settings{.uid = config.uid, .gid = config.gid, .mounts = {}, .upper = {}, .file = {}};
  settings.file = sys::openat(AT_FDCWD, config.file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0600) |
                  or_throw("opening '{}'", config.file);
  sys::Message place = sys::receive_message(channel.get(), kLongestMessage) | or_throw("waiting for the container");
  if (place.fds.size() != 1) return;  // it has not come to be
  settings.mounts = mounts_from(place.data);
  Kept kept = leave_host(place.fds[0], config.upper);
  place.fds.clear();
  settings.upper = std::move(kept.upper);
  ::umask(0);
  Answers answers(Owners(std::move(settings)), kept.proc.get());
  confine_calls();
  say(channel, "R");
  serve(channel, answers);
}

}  // namespace

int owner_main(Fd config, Fd channel) {
  try {
    ::signal(SIGPIPE, SIG_IGN);
    ::prctl(PR_SET_NAME, "sbx:owner");
    const Config settings = config_from_json(parse_json(read_helper_document(config), "owner configuration"));
    config.reset();
    prepare_and_serve(settings, channel);
    return 0;
  } catch (const Error& error) {
    say(channel, error.hint().empty() ? std::string(error.what()) : fmt::format("{}\n{}", error.what(), error.hint()));
  } catch (const std::exception& error) {
    say(channel, error.what());
  }
  return 1;
}

}  // namespace sandbox::ownership
