// See line_series.h.
#include "sandbox/base/line_series.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox {
namespace {

constexpr std::size_t kMaxLine = 1U << 17;
constexpr std::size_t kChunk = 1U << 16;
constexpr int kMostFiles = 1000;

std::string aside(const std::string& path, int number) {
  return number == 0 ? path : fmt::format("{}.{}", path, number);
}

/// The largest number of a file that was put aside.
int oldest_number(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string prefix = path.substr(slash + 1) + ".";
  int oldest = 0;
  for (const auto& name : list_directory(path.substr(0, slash))) {
    if (!name.starts_with(prefix)) continue;
    int number = 0;
    const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) oldest = std::max(oldest, number);
  }
  return std::min(oldest, kMostFiles);
}

bool is_same(int fd, const std::string& path) {
  struct stat ours {};
  const auto named = sys::fstatat(AT_FDCWD, path.c_str(), 0);
  return named && ::fstat(fd, &ours) == 0 && ours.st_ino == named->st_ino && ours.st_dev == named->st_dev;
}

/// All files, oldest first. While they are being put aside one may be missed: then it looks again.
std::deque<Fd> open_series(const std::string& path) {
  constexpr int patience = 10;
  for (int tries = 1;; ++tries) {
    std::deque<Fd> files;
    const int oldest = oldest_number(path);
    for (int number = oldest; number >= 0; --number) {
      auto fd = sys::openat(AT_FDCWD, aside(path, number).c_str(), O_RDONLY | O_NOFOLLOW);
      if (!fd && fd.error().value == ENOENT) continue;
      files.push_back(std::move(fd) | or_throw("opening '{}'", aside(path, number)));
    }
    const bool is_whole = files.size() == static_cast<std::size_t>(oldest) + 1 && is_same(files.back().get(), path);
    if (is_whole || tries == patience) return files;
  }
}

/// Where the last `count` lines begin; read from the end, since a file may be much larger than what is wanted of it.
/// `count` becomes what is still missing when that is the file's beginning.
off_t begin_of_last(int fd, std::size_t& count) {
  off_t end = ::lseek(fd, 0, SEEK_END);
  if (end < 0) throw SysError(Errno{errno}, "measuring a log");
  std::size_t ends = 0;  // of lines, seen so far: one more than the lines behind them
  char chunk[kChunk];
  while (end > 0) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(sizeof chunk));
    const std::size_t size =
        sys::pread(fd, chunk, static_cast<std::size_t>(end - begin), begin) | or_throw("reading a log");
    for (std::size_t i = size; i-- > 0;) {
      if (chunk[i] != '\n' || ends++ != count) continue;
      count = 0;
      return begin + static_cast<off_t>(i) + 1;
    }
    end = begin;
  }
  count -= std::min(ends, count);
  return 0;
}

}  // namespace

void put_aside(const std::string& path, int most_files) {
  if (!path_exists(path)) return;
  for (int number = std::min(oldest_number(path), kMostFiles); number >= std::max(most_files - 1, 1); --number) {
    (void)sys::unlinkat(AT_FDCWD, aside(path, number).c_str(), 0);
  }
  if (most_files <= 1) {
    (void)sys::unlinkat(AT_FDCWD, path.c_str(), 0);
    return;
  }
  for (int number = most_files - 2; number >= 0; --number) {
    (void)sys::renameat2(AT_FDCWD, aside(path, number).c_str(), AT_FDCWD, aside(path, number + 1).c_str());
  }
}

LineWriter::LineWriter(std::string path, Rotation rotation) : path_(std::move(path)), rotation_(rotation) { open(); }

void LineWriter::open() {
  fd_ = sys::openat(AT_FDCWD, path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600) |
        or_throw("opening log '{}'", path_);
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) throw SysError(Errno{errno}, fmt::format("measuring log '{}'", path_));
  size_ = static_cast<std::uint64_t>(status.st_size);
}

void LineWriter::write(std::string_view lines) {
  if (!sys::write_all(fd_.get(), lines.data(), lines.size())) {
    (void)::ftruncate(fd_.get(), static_cast<off_t>(size_));
    return;
  }
  size_ += lines.size();
}

void LineWriter::append(std::string_view lines) {
  const std::uint64_t most = rotation_.most_bytes;
  if (most == 0) return write(lines);
  while (!lines.empty()) {
    // As many lines as fit, but one at least.
    std::size_t size = lines.size();
    if (size_ + size > most) {
      const std::size_t room = most > size_ ? static_cast<std::size_t>(most - size_) : 0;
      const std::size_t last = room == 0 ? std::string_view::npos : lines.rfind('\n', room - 1);
      if (last == std::string_view::npos && size_ > 0) {
        put_aside(path_, rotation_.most_files);
        try {
          open();
        } catch (const SysError&) {
          return;  // no room for another file: these lines are lost, the next try it again
        }
        continue;
      }
      size = (last == std::string_view::npos ? lines.find('\n') : last) + 1;
    }
    write(lines.substr(0, size));
    lines.remove_prefix(size);
  }
}

LineReader::LineReader(std::string path, std::optional<std::size_t> tail)
    : path_(std::move(path)), ahead_(open_series(path_)) {
  if (tail) {
    std::size_t missing = *tail;
    std::size_t first = ahead_.size();
    off_t begin = 0;
    while (first > 0 && begin == 0 && (missing > 0 || first == ahead_.size())) {
      begin = begin_of_last(ahead_[--first].get(), missing);
    }
    ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(first));
    if (!ahead_.empty() && ::lseek(ahead_.front().get(), begin, SEEK_SET) < 0) {
      throw SysError(Errno{errno}, fmt::format("seeking in log '{}'", path_));
    }
    for (std::size_t i = 1; i < ahead_.size(); ++i) (void)::lseek(ahead_[i].get(), 0, SEEK_SET);
  }
}

/// To the next file; false when there is none yet.
bool LineReader::go_on() {
  if (ahead_.empty()) {
    if (current_ && is_same(current_.get(), path_)) return false;
    ahead_ = open_series(path_);
    const auto is_ours = [&](const Fd& file) {
      struct stat ours {}, other {};
      return current_ && ::fstat(current_.get(), &ours) == 0 && ::fstat(file.get(), &other) == 0 &&
             ours.st_ino == other.st_ino && ours.st_dev == other.st_dev;
    };
    const auto seen = std::ranges::find_if(ahead_, is_ours);
    if (seen != ahead_.end()) ahead_.erase(ahead_.begin(), seen + 1);
    if (ahead_.empty()) return false;
  }
  current_ = std::move(ahead_.front());
  ahead_.pop_front();
  buffer_.clear();  // a line without an end in a file that has been put aside
  start_ = 0;
  return true;
}

std::optional<std::string> LineReader::next_in_file() {
  for (;;) {
    if (const auto end = buffer_.find('\n', start_); end != std::string::npos) {
      std::string line = buffer_.substr(start_, end - start_);
      start_ = end + 1;
      return line;
    }
    buffer_.erase(0, start_);
    start_ = 0;
    if (buffer_.size() > kMaxLine) buffer_.clear();  // no line of ours
    char chunk[kChunk];
    const std::size_t count = sys::read(current_.get(), chunk, sizeof chunk) | or_throw("reading '{}'", path_);
    if (count == 0) return std::nullopt;
    buffer_.append(chunk, count);
  }
}

std::optional<std::string> LineReader::next() {
  for (;;) {
    if (current_) {
      if (auto line = next_in_file()) return line;
    }
    // What was written between the end just seen and the putting aside is read before the next file.
    const bool has_next = !ahead_.empty() || !current_ || !is_same(current_.get(), path_);
    if (!has_next) return std::nullopt;
    if (current_) {
      if (auto line = next_in_file()) return line;
    }
    if (!go_on()) return std::nullopt;
  }
}

}  // namespace sandbox
