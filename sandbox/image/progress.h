// What is told of a transfer while it goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace sandbox::image {

/// Any thread may call it.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual void line(const std::string& text) = 0;
  /// Where `blob`, a short id, has come to: "Pull complete".
  virtual void status(const std::string& blob, const std::string& text) = 0;
  /// How far it has come with what `text` says: "Downloading".
  virtual void bytes(const std::string& blob, const std::string& text, std::uint64_t done, std::uint64_t total) = 0;
};

/// Nothing but lines, as Docker writes them into a file.
class LineProgress : public Progress {
 public:
  explicit LineProgress(std::function<void(const std::string&)> write) : write_(std::move(write)) {}
  void line(const std::string& text) override {
    const std::scoped_lock lock(mutex_);
    if (write_) write_(text);
  }
  void status(const std::string& blob, const std::string& text) override { line(blob + ": " + text); }
  void bytes(const std::string&, const std::string&, std::uint64_t, std::uint64_t) override {}

 private:
  std::mutex mutex_;
  std::function<void(const std::string&)> write_;  ///< None: silence.
};

}  // namespace sandbox::image
