// Frames between a supervisor and its clients: {u8 type, u32 little-endian size, payload}, at most
// 1 MiB of payload. Both ends are of the same program and user; still nothing of a peer is trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sandbox/container/supervisor.h"

namespace sandbox::container {

enum class FrameType : std::uint8_t {
  // client to supervisor
  attach = 1,        ///< Subscribes to the container's output; nothing on a connection that already has a process.
  stdin_data = 2,
  stdin_eof = 3,
  resize = 4,        ///< u16 rows, u16 columns
  signal = 5,        ///< u8
  exec_request = 6,  ///< u32 size of the JSON, JSON, bytes of the seccomp filter; with descriptors (SCM_RIGHTS)
  pause = 7,         ///< u8, see Pause; answered with `done` or `start_failure`
  output_unread = 8, ///< u8: 0 standard output, 1 standard error; nobody reads on what this client writes there
  network = 9,       ///< a network's ID: the description names it, or not, anew; answered with `done` or `start_failure`
  // supervisor to client
  started = 16,        ///< text: where the time of the start went (Stopwatch); empty for an exec
  start_failure = 17,  ///< see encode_failure
  stdout_data = 18,
  stderr_data = 19,
  exit_status = 20,  ///< u8
  stdin_taken = 21,  ///< u32: so many bytes of stdin_data have reached the process
  done = 22,
};

inline constexpr std::size_t max_payload = 1U << 20;
/// A client sends no more standard input than this ahead of `stdin_taken`, so that the supervisor
/// never has to stop reading a connection and a signal is never stuck behind input.
inline constexpr std::size_t stdin_window = 256U << 10;

struct Frame {
  FrameType type{};
  std::string payload;
};

/// Throws InvalidInput when the payload is larger than max_payload.
std::string encode_frame(FrameType type, std::string_view payload = {});

/// Cuts a byte stream into frames.
class FrameReader {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }
  /// The next whole frame. Throws InvalidInput for an oversize one, as soon as its header is there.
  std::optional<Frame> next();

 private:
  std::string buffer_;
  std::size_t start_ = 0;
};

std::string encode_u32(std::uint32_t value);
std::uint32_t decode_u32(std::string_view payload);  ///< Throws InvalidInput when shorter than 4.

std::string encode_exec(const ExecRequest& request);
ExecRequest decode_exec(std::string_view payload);  ///< Throws InvalidInput.

/// Payload of start_failure: u8 exit code, message, and behind a NUL the hint.
std::string encode_failure(const StartFailure& failure);
StartFailure decode_failure(std::string_view payload);

/// Blocking, for clients. `descriptors`, at most `most_passed`, come with the first byte. Throws Conflict when the
/// supervisor is gone.
void send_frame(int socket, FrameType type, std::string_view payload = {}, std::span<const int> descriptors = {});

}  // namespace sandbox::container
