#include "sandbox/cgroup/systemd_scope.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/cgroup/systemd_library.h"

namespace sandbox::cgroup {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr auto kPatience = std::chrono::seconds(20);

/// The end of our job, as the signal JobRemoved tells it (org.freedesktop.systemd1(5)).
struct Job {
  std::string unit;
  std::string result;  ///< "done" when it was; empty until the signal came.
};

int on_job_removed(sd_bus_message* message, void* data, sd_bus_error*) noexcept {
  Job& job = *static_cast<Job*>(data);
  std::uint32_t id = 0;
  const char *path = nullptr, *unit = nullptr, *result = nullptr;
  if (systemd_library().message_read(message, "uoss", &id, &path, &unit, &result) < 0) return 0;
  if (job.unit == unit) job.result = result;
  return 0;
}

struct CloseBus {
  void operator()(sd_bus* bus) const { systemd_library().flush_close_unref(bus); }
};
using Bus = std::unique_ptr<sd_bus, CloseBus>;

class BusError {
 public:
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { systemd_library().error_free(&error_); }
  sd_bus_error* get() { return &error_; }
  bool is(std::string_view name) const { return error_.name != nullptr && name == error_.name; }
  std::string text(int code) const { return error_.message != nullptr ? error_.message : Errno{-code}.message(); }

 private:
  sd_bus_error error_ = SD_BUS_ERROR_NULL;
};

void check(int code, const std::string& what) {
  if (code < 0) throw Unsupported(fmt::format("{}: {}", what, Errno{-code}.message()));
}

Bus connect(const std::string& path) {
  const SystemdLibrary& lib = systemd_library();
  sd_bus* raw = nullptr;
  check(lib.bus_new(&raw), "making a D-Bus connection");
  Bus bus(raw);
  check(lib.set_address(bus.get(), ("unix:path=" + path).c_str()), fmt::format("D-Bus address '{}'", path));
  check(lib.set_bus_client(bus.get(), 1), "D-Bus");
  check(lib.start(bus.get()), fmt::format("connecting to the user's D-Bus at '{}'", path));
  return bus;
}

void request_scope(sd_bus* bus, const ScopeRequest& request) {
  const SystemdLibrary& lib = systemd_library();
  BusError error;
  const auto start = [&](int properties, auto... first) {
    return lib.call_method(bus, kService, kPath, kManager, "StartTransientUnit", error.get(), nullptr,
                           "ssa(sv)a(sa(sv))", request.unit.c_str(), "fail", properties, first...,  //
                           "Description", "s", request.description.c_str(),                         //
                           "PIDs", "au", 1, static_cast<std::uint32_t>(request.pid),                //
                           "Delegate", "b", 1,                                                      //
                           "CollectMode", "s", "inactive-or-failed",                                //
                           0);
  };
  int code = lib.call_method(bus, kService, kPath, kManager, "Subscribe", error.get(), nullptr, "");
  if (code >= 0 && request.slice.empty()) code = start(4);
  // Without the dependencies of every other unit: its end at shutdown is the engine's business.
  if (code >= 0 && !request.slice.empty())
    code = start(6, "Slice", "s", request.slice.c_str(), "DefaultDependencies", "b", 0);
  if (code < 0) throw Unsupported(fmt::format("systemd refused the scope '{}': {}", request.unit, error.text(code)));
}

/// False: there is no such unit any more.
bool request_stop(sd_bus* bus, const std::string& unit) {
  BusError error;
  const int code = systemd_library().call_method(bus, kService, kPath, kManager, "StopUnit", error.get(), nullptr, "ss",
                                                 unit.c_str(), "replace");
  if (code >= 0) return true;
  if (error.is("org.freedesktop.systemd1.NoSuchUnit")) return false;
  throw Unsupported(fmt::format("systemd did not stop the scope '{}': {}", unit, error.text(code)));
}

void wait_for(sd_bus* bus, const Job& job) {
  const SystemdLibrary& lib = systemd_library();
  const auto deadline = Clock::now() + kPatience;
  while (job.result.empty()) {
    const int handled = lib.process(bus, nullptr);
    check(handled, "listening to systemd");
    if (handled > 0) continue;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline - Clock::now()).count();
    if (left <= 0) throw Unsupported(fmt::format("systemd did not do its job for the scope '{}' in time", job.unit));
    check(lib.wait(bus, static_cast<std::uint64_t>(left)), "waiting for systemd");
  }
  if (job.result != "done")
    throw Unsupported(fmt::format("systemd's job for the scope '{}' ended: {}", job.unit, job.result));
}

/// Listens before it asks: the job may end before the answer about it is read.
template <class Request>
void do_job(const std::string& bus_path, const std::string& unit, const Request& request) {
  const SystemdLibrary& lib = systemd_library();
  Job job{unit, {}};
  const Bus bus = connect(bus_path);
  check(lib.match_signal(bus.get(), nullptr, kService, kPath, kManager, "JobRemoved", on_job_removed, &job),
        "listening to systemd");
  if (request(bus.get())) wait_for(bus.get(), job);
}

}  // namespace

void start_scope(const ScopeRequest& request) {
  do_job(request.bus, request.unit, [&](sd_bus* bus) {
    request_scope(bus, request);
    return true;
  });
}

void attach_to_scope(const std::string& bus_path, const std::string& unit, const std::string& below, pid_t pid) {
  const Bus bus = connect(bus_path);
  BusError error;
  const int code = systemd_library().call_method(bus.get(), kService, kPath, kManager, "AttachProcessesToUnit",
                                                 error.get(), nullptr, "ssau", unit.c_str(), below.c_str(), 1,
                                                 static_cast<std::uint32_t>(pid));
  if (code < 0)
    throw Unsupported(fmt::format("systemd did not move process {} into '{}': {}", pid, unit, error.text(code)));
}

void stop_scope(const std::string& bus_path, const std::string& unit) {
  do_job(bus_path, unit, [&](sd_bus* bus) { return request_stop(bus, unit); });
}

}  // namespace sandbox::cgroup
