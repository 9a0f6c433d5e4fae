// See turn.h.
#include "sandbox/image/turn.h"

#include <errno.h>
#include <fcntl.h>

#include <chrono>
#include <thread>

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::image {
namespace {

constexpr std::size_t kDigits = 15;  // hexadecimal ones: an off_t has room for them
constexpr auto kBetweenTries = std::chrono::milliseconds(50);

off_t place_of(const std::string& text) {
  const std::string digest = sha256_digest(text);
  return std::stoll(std::string(hex_of(digest).substr(0, kDigits)), nullptr, 16);
}

}  // namespace

Turn::Turn(const std::string& layout, const std::string& registry, const std::string& digest)
    : path_(layout + "/.turns"), place_(place_of(registry + " " + digest)) {
  file_ = sys::openat(AT_FDCWD, path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600) | or_throw("opening '{}'", path_);
  try_again();
}

void Turn::try_again() {
  struct flock byte{};
  byte.l_type = F_WRLCK;
  byte.l_whence = SEEK_SET;
  byte.l_start = place_;
  byte.l_len = 1;
  held_ = ::fcntl(file_.get(), F_OFD_SETLK, &byte) == 0;
  if (!held_ && errno != EAGAIN && errno != EACCES) throw SysError(Errno{errno}, fmt::format("locking '{}'", path_));
}

void Turn::wait(const std::stop_token& stop) {
  // Asked again and again: F_OFD_SETLKW would not end when another thread's transfer has failed.
  while (!held_) {
    if (stop.stop_requested()) throw Error("the pull has been given up");
    std::this_thread::sleep_for(kBetweenTries);
    try_again();
  }
}

}  // namespace sandbox::image
