// Private to this room: frames of the container that must not reach libslirp.
#pragma once

#include <cstdint>
#include <span>

namespace sandbox::netstack {

/// True for an IPv4 frame to 127.0.0.0/8 or 0.0.0.0/8. libslirp guards the host's loopback only at
/// the gateway's address; a frame made by hand with such a destination would reach it, as the host's
/// kernel takes both for itself.
inline bool is_for_loopback(std::span<const std::uint8_t> frame) {
  constexpr std::size_t kType = 12, kDestination = 14 + 16;
  if (frame.size() <= kDestination || frame[kType] != 0x08 || frame[kType + 1] != 0x00) return false;
  return frame[kDestination] == 127 || frame[kDestination] == 0;
}

}  // namespace sandbox::netstack
