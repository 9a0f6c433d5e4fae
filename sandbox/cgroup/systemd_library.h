// libsystemd's sd-bus as a table of function pointers, loaded when a limit is asked for.
#pragma once

#include <systemd/sd-bus.h>

namespace sandbox::cgroup {

/// Typed by the real header: a changed signature fails to compile.
struct SystemdLibrary {
  decltype(&::sd_bus_new) bus_new;
  decltype(&::sd_bus_set_address) set_address;
  decltype(&::sd_bus_set_bus_client) set_bus_client;
  decltype(&::sd_bus_start) start;
  decltype(&::sd_bus_flush_close_unref) flush_close_unref;
  decltype(&::sd_bus_match_signal) match_signal;
  decltype(&::sd_bus_call_method) call_method;
  decltype(&::sd_bus_process) process;
  decltype(&::sd_bus_wait) wait;
  decltype(&::sd_bus_message_read) message_read;
  decltype(&::sd_bus_message_unref) message_unref;
  decltype(&::sd_bus_error_free) error_free;
};

/// Loads libsystemd.so.0 once; it stays loaded. Throws Unsupported naming the package when it is absent.
const SystemdLibrary& systemd_library();

}  // namespace sandbox::cgroup
