// What the OCI runtime says to engines: one line per message, as text or JSON, in the form that they parse.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/base/fd.h"

namespace sandbox::cli {

class OciLog {
 public:
  /// `file`: a path, also as crun's "file:PATH"; empty: standard error. `level` empty: warnings, too. Throws UsageError
  /// for an unknown format, level or destination, SysError.
  OciLog(const std::string& file, const std::string& format, const std::string& level);
  void write(std::string_view level, const std::string& message) const;
  bool to_stderr() const { return !file_; }

 private:
  Fd file_;
  bool json_ = false, only_errors_ = false;
};

}  // namespace sandbox::cli
