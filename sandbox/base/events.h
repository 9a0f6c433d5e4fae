// What has happened to containers, images, networks and volumes: <store>/events, a line of JSON each, as Docker's API
// has them (moby api/types/events). Every process that does something appends to it; `events` reads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace sandbox {

struct Event {
  std::string type;    ///< "container", "image", "network", "volume"
  std::string action;  ///< "start", "exec_start: sh -c true"
  std::string id;      ///< Of the object: an id, or a volume's name.
  std::map<std::string, std::string> attributes;
  std::int64_t time = 0;  ///< Nanoseconds since the epoch.
};

/// Appends it with the time of now. Not durable, and no failure of what has happened: on a full disk it is lost.
void record_event(const std::string& store, Event event) noexcept;

struct EventOptions {
  std::optional<std::int64_t> since, until;  ///< Nanoseconds since the epoch, both included.
  bool from_now = false;                     ///< None of those that are recorded already.
  std::function<bool()> go_on;               ///< Asked when all that is there has been told; absent: the end.
};
/// Calls `sink` for each in the order in which they were recorded; lines that are none are skipped.
void read_events(const std::string& store, const EventOptions& options, const std::function<void(const Event&)>& sink);

}  // namespace sandbox
