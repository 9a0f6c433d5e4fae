// Frames of the control socket, see protocol.h.
#include "sandbox/container/protocol.h"

#include <errno.h>
#include <poll.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::container {
namespace {

constexpr std::size_t header_size = 5;

[[noreturn]] void refuse_ended() { throw Conflict("the container has just ended"); }

}  // namespace

std::string encode_u32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>((value >> shift) & 0xFF);
  return bytes;
}

std::uint32_t decode_u32(std::string_view payload) {
  if (payload.size() < 4) throw InvalidInput("control socket: a number is cut short");
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) value |= std::uint32_t{static_cast<unsigned char>(payload[i])} << (8 * i);
  return value;
}

std::string encode_frame(FrameType type, std::string_view payload) {
  if (payload.size() > max_payload) throw InvalidInput("control socket: a frame is larger than 1 MiB");
  std::string bytes(1, static_cast<char>(type));
  bytes += encode_u32(static_cast<std::uint32_t>(payload.size()));
  bytes += payload;
  return bytes;
}

std::optional<Frame> FrameReader::next() {
  const std::string_view rest = std::string_view(buffer_).substr(start_);
  if (rest.size() < header_size) return std::nullopt;
  const std::size_t size = decode_u32(rest.substr(1));
  if (size > max_payload) throw InvalidInput("control socket: a frame is larger than 1 MiB");
  if (rest.size() < header_size + size) return std::nullopt;
  Frame frame{static_cast<FrameType>(rest[0]), std::string(rest.substr(header_size, size))};
  start_ += header_size + size;
  if (start_ == buffer_.size() || start_ > max_payload) {
    buffer_.erase(0, start_);
    start_ = 0;
  }
  return frame;
}

std::string encode_exec(const ExecRequest& request) {
  std::string text;
  try {
    text = Json{{"process", to_json(request.process)}, {"open_stdin", request.open_stdin}, {"passed", request.passed}}
               .dump();
  } catch (const Json::exception&) {
    throw InvalidInput("exec request: a string is not valid UTF-8");
  }
  std::string payload = encode_u32(static_cast<std::uint32_t>(text.size())) + text;
  for (const std::byte byte : request.process.seccomp) payload += static_cast<char>(byte);
  return payload;
}

ExecRequest decode_exec(std::string_view payload) {
  const std::size_t size = decode_u32(payload);
  if (payload.size() - 4 < size) throw InvalidInput("exec request: cut short");
  const Json document = parse_json(payload.substr(4, size), "exec request");
  const std::string_view filter = payload.substr(4 + size);
  if (!document.is_object() || !document.contains("process") || !document.contains("open_stdin") ||
      !document["open_stdin"].is_boolean() || !document.contains("passed") ||
      !document["passed"].is_number_unsigned() || filter.size() % 8 != 0) {
    throw InvalidInput("exec request: malformed");
  }
  ExecRequest request{process_from_json(document["process"]), document["open_stdin"].get<bool>(),
                      document["passed"].get<std::size_t>()};
  for (const char c : filter) request.process.seccomp.push_back(static_cast<std::byte>(c));
  return request;
}

std::string encode_failure(const StartFailure& failure) {
  std::string payload(1, static_cast<char>(failure.exit_code()));
  payload += std::string_view(failure.what()).substr(0, max_payload / 2);
  if (!failure.hint().empty()) (payload += '\0') += failure.hint();
  return payload.substr(0, max_payload);
}

StartFailure decode_failure(std::string_view payload) {
  if (payload.empty()) return {"the container could not start", 125};
  const std::string_view words = payload.substr(1);
  const auto end = words.find('\0');
  return {std::string(words.substr(0, end)), static_cast<unsigned char>(payload[0]),
          std::string(end == std::string_view::npos ? std::string_view{} : words.substr(end + 1))};
}

void send_frame(int socket, FrameType type, std::string_view payload, std::span<const int> descriptors) {
  const std::string bytes = encode_frame(type, payload);
  std::size_t sent = 0;
  if (!descriptors.empty()) {
    const auto first = std::as_bytes(std::span(bytes)).first(1);
    const auto passed = sys::send_message(socket, first, descriptors);
    if (!passed && (passed.error().value == EPIPE || passed.error().value == ECONNRESET)) refuse_ended();
    if (!passed) throw SysError(passed.error(), "passing descriptors to the container's supervisor");
    sent = 1;
  }
  while (sent < bytes.size()) {
    const ssize_t count = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      pollfd item{socket, POLLOUT, 0};
      (void)::poll(&item, 1, -1);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      refuse_ended();
    } else if (errno != EINTR) {
      throw SysError(Errno{errno}, "sending to the container's supervisor");
    }
  }
}

}  // namespace sandbox::container
