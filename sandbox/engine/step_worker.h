// A process for one step of a build: a child of the client, in which the step's work is done and which ends with the
// client. Its standard output and error are the step's.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/base/fd.h"

namespace sandbox::engine {

class StepWorker {
 public:
  using Output = std::function<void(std::string_view text)>;

  /// Runs `act` in a child, which answers with what it returns, at most 64 MiB. Precondition: one thread.
  StepWorker(const std::function<std::string()>& act, Output output);
  /// Kills it.
  ~StepWorker();
  StepWorker(const StepWorker&) = delete;
  StepWorker& operator=(const StepWorker&) = delete;

  int fd() const { return events_.get(); }  ///< Readable when advance() has something to do.
  /// The answer, once the child has ended. Throws Error with the message and hint of what `act` threw.
  std::optional<std::string> advance();

 private:
  [[noreturn]] void serve(const std::function<std::string()>& act, Fd output, Fd answer);
  bool drain();
  std::string take_answer();

  Output show_;
  Fd events_, output_, answer_;
  std::string text_;
  pid_t pid_ = -1;
};

}  // namespace sandbox::engine
