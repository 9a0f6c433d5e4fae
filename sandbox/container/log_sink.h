// Where a container's output is kept, by its driver. Runs in the supervisor.
#pragma once

#include <memory>
#include <string>

#include "sandbox/container/container_store.h"
#include "sandbox/container/log_file.h"

namespace sandbox::container {

inline constexpr const char* journal_socket = "/run/systemd/journal/socket";

/// None: nothing is kept. Throws SysError.
std::unique_ptr<LogSink> log_sink(const Container& container);

/// To systemd's journal, as a datagram per record with Docker's fields (CONTAINER_NAME and so on). A journal that does
/// not keep pace loses records; nobody waits for it.
std::unique_ptr<LogSink> journal_log(const Spec& spec, const std::string& socket = journal_socket);

/// Whether `logs` can show it; otherwise throws Unsupported, telling where it went.
void require_readable_log(const Container& container);

}  // namespace sandbox::container
