// What the OCI runtime says to engines: one line per message, as text or JSON, in the form that they parse.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/base/fd.h"

namespace sandbox::cli {

class OciLog {
 public:
  /// `file` empty: standard error. Throws UsageError for an unknown format, SysError.
  OciLog(const std::string& file, const std::string& format);
  void write(std::string_view level, const std::string& message) const;
  bool to_stderr() const { return !file_; }

 private:
  Fd file_;
  bool json_ = false;
};

}  // namespace sandbox::cli
