// See log_sink.h. The protocol is systemd's native one (https://systemd.io/JOURNAL_NATIVE_PROTOCOL), the fields are those
// of moby's driver (daemon/logger/journald).
#include "sandbox/container/log_sink.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "sandbox/base/error.h"

namespace sandbox::container {
namespace {

/// A field in the form that allows every byte in its value: name, size (64 bits, little-endian), value.
void append_field(std::string& message, std::string_view name, std::string_view value) {
  message += name;
  message += '\n';
  for (unsigned shift = 0; shift < 64; shift += 8) {
    message += static_cast<char>((static_cast<std::uint64_t>(value.size()) >> shift) & 0xFF);
  }
  message += value;
  message += '\n';
}

class JournalLog final : public LogSink {
 public:
  JournalLog(const Spec& spec, const std::string& path) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (!socket_) throw SysError(Errno{errno}, "making a socket");
    address_.sun_family = AF_UNIX;
    if (path.size() >= sizeof address_.sun_path) throw Error(fmt::format("'{}' is too long a path", path));
    std::memcpy(address_.sun_path, path.c_str(), path.size() + 1);
    const std::string short_id = spec.id.substr(0, 12);
    append_field(fields_, "CONTAINER_ID", short_id);
    append_field(fields_, "CONTAINER_ID_FULL", spec.id);
    append_field(fields_, "CONTAINER_NAME", spec.name);
    append_field(fields_, "CONTAINER_TAG", short_id);
    append_field(fields_, "IMAGE_NAME", spec.image);
    append_field(fields_, "SYSLOG_IDENTIFIER", short_id);
  }

  void record(Stream stream, std::string_view text) override {
    const bool is_whole = text.ends_with('\n');
    if (is_whole) text.remove_suffix(1);
    std::string message = fields_;
    append_field(message, "PRIORITY", stream == Stream::out ? "6" : "3");  // info, err
    if (!is_whole) append_field(message, "CONTAINER_PARTIAL_MESSAGE", "true");
    append_field(message, "MESSAGE", text);
    (void)::sendto(socket_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                   static_cast<const sockaddr*>(static_cast<const void*>(&address_)), sizeof address_);
  }

 private:
  Fd socket_;
  sockaddr_un address_{};
  std::string fields_;  ///< What all records have.
};

}  // namespace

std::unique_ptr<LogSink> journal_log(const Spec& spec, const std::string& socket) {
  return std::make_unique<JournalLog>(spec, socket);
}

std::unique_ptr<LogSink> log_sink(const Container& container) {
  const LogPlan& plan = container.spec.log;
  switch (plan.driver) {
    case LogDriver::json_file:
    case LogDriver::local: return json_log(log_path(container), {plan.most_bytes, plan.most_files});
    case LogDriver::journald: return journal_log(container.spec);
    case LogDriver::none: break;
  }
  return nullptr;
}

void require_readable_log(const Container& container) {
  const Spec& spec = container.spec;
  const char* message = "configured logging driver does not support reading";
  if (spec.log.driver == LogDriver::none) throw Unsupported(message);
  if (spec.log.driver == LogDriver::journald) {
    throw Unsupported(message, fmt::format("'journalctl CONTAINER_NAME={}' shows it", spec.name));
  }
}

}  // namespace sandbox::container
