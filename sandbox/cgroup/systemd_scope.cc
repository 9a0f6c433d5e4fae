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

void request_scope(sd_bus* bus, const std::string& unit, const std::string& description) {
  const SystemdLibrary& lib = systemd_library();
  BusError error;
  int code = lib.call_method(bus, kService, kPath, kManager, "Subscribe", error.get(), nullptr, "");
  if (code >= 0) {
    code = lib.call_method(bus, kService, kPath, kManager, "StartTransientUnit", error.get(), nullptr,
                           "ssa(sv)a(sa(sv))", unit.c_str(), "fail", 4,              //
                           "Description", "s", description.c_str(),                  //
                           "PIDs", "au", 1, static_cast<std::uint32_t>(::getpid()),  //
                           "Delegate", "b", 1,                                       //
                           "CollectMode", "s", "inactive-or-failed",                 //
                           0);
  }
  if (code < 0) throw Unsupported(fmt::format("systemd refused the scope '{}': {}", unit, error.text(code)));
}

void wait_for(sd_bus* bus, const Job& job) {
  const SystemdLibrary& lib = systemd_library();
  const auto deadline = Clock::now() + kPatience;
  while (job.result.empty()) {
    const int handled = lib.process(bus, nullptr);
    check(handled, "listening to systemd");
    if (handled > 0) continue;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(deadline - Clock::now()).count();
    if (left <= 0) throw Unsupported(fmt::format("systemd did not start the scope '{}' in time", job.unit));
    check(lib.wait(bus, static_cast<std::uint64_t>(left)), "waiting for systemd");
  }
  if (job.result != "done")
    throw Unsupported(fmt::format("systemd did not start the scope '{}': {}", job.unit, job.result));
}

}  // namespace

void enter_scope(const std::string& bus_path, const std::string& unit, const std::string& description) {
  Job job{unit, {}};
  const Bus bus = connect(bus_path);
  // The match comes first: the job may end before the answer about it is read.
  check(
      systemd_library().match_signal(bus.get(), nullptr, kService, kPath, kManager, "JobRemoved", on_job_removed, &job),
      "listening to systemd");
  request_scope(bus.get(), unit, description);
  wait_for(bus.get(), job);
}

}  // namespace sandbox::cgroup
