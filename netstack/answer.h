// Private to this room: what a network helper says to a supervisor.
#pragma once

#include <exception>
#include <span>
#include <string>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {

/// A supervisor that has gone needs no answer.
inline void answer(const Fd& channel, const std::string& text) {
  static_cast<void>(sys::send_message(channel.get(), std::as_bytes(std::span(text)), {}));
}

/// Its message and, after a newline, its hint.
inline void answer_error(const Fd& channel, const std::exception& error) {
  const auto* own = dynamic_cast<const Error*>(&error);
  const std::string hint = own != nullptr ? own->hint() : std::string();
  answer(channel, hint.empty() ? error.what() : fmt::format("{}\n{}", error.what(), hint));
}

}  // namespace sandbox::netstack
