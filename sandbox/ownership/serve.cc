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

constexpr std::size_t kLongestMessage = 512 << 10;  // NGROUPS_MAX groups

Config config_from_json(const Json& document) {
  try {
    return {document.at("uid").get<Id>(), document.at("gid").get<Id>(), document.at("upper").get<std::string>(),
            document.at("file").get<std::string>(), document.at("recorded").get<std::vector<std::string>>()};
  } catch (const Json::exception& error) {
    throw InvalidInput(fmt::format("owner configuration: {}", error.what()));
  }
}

Credentials credentials_from(const std::vector<std::byte>& data) {
  std::vector<Id> ids(data.size() / sizeof(Id));
  if (!ids.empty()) std::memcpy(ids.data(), data.data(), ids.size() * sizeof(Id));
  if (ids.size() < 2) throw InvalidInput("a listener came without ids");
  const auto all = [](Id id) { return Ids{id, id, id, id}; };
  return {all(ids[0]), all(ids[1]), {ids.begin() + 2, ids.end()}};
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
    const Credentials first = credentials_from(message.data);
    for (Fd& fd : message.fds) listeners.push_back(answers.listen(std::move(fd), first));
  }
}

void prepare_and_serve(const Config& config, const Fd& channel) {
  Owners::Settings settings{.uid = config.uid, .gid = config.gid, .mounts = {}, .upper = {}, .file = {}};
  settings.file = sys::openat(AT_FDCWD, config.file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0600) |
                  or_throw("opening '{}'", config.file);
  sys::Message place = sys::receive_message(channel.get(), kLongestMessage) | or_throw("waiting for the container");
  if (place.fds.size() != 2) return;  // it has not come to be
  Kept kept = leave_host(place.fds[0], config.upper);
  settings.mounts = mounts_of(place.fds[1].get(), config.recorded);
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
