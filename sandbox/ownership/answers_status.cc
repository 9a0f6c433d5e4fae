// What processes are shown of an object's owner, and of who is at the other end of a socket. The kernel shows what has
// no record of another.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sandbox/base/sys.h"
#include "sandbox/ownership/answers.h"

namespace sandbox::ownership {
namespace {

bool is_device(const overlay::OwnerRecord& record) { return S_ISCHR(record.mode) || S_ISBLK(record.mode); }

/// What a call asks about, and where the answer goes.
struct Place {
  int base = AT_FDCWD, flags = 0;
  int path = -1;  ///< The arguments.
  int answer = 0;
};

Place place_of(const Question& question) {
  switch (question.asked.call) {
    case Call::stat:
      return {.path = 0, .answer = 1};
    case Call::lstat:
      return {.flags = AT_SYMLINK_NOFOLLOW, .path = 0, .answer = 1};
    case Call::fstat:
      return {.base = question.descriptor(0), .flags = AT_EMPTY_PATH, .answer = 1};
    case Call::newfstatat:
      return {.base = question.descriptor(0), .flags = question.descriptor(3), .path = 1, .answer = 2};
    default:
      return {.base = question.descriptor(0), .flags = question.descriptor(2), .path = 1, .answer = 4};
  }
}

/// What the kernel knows of; it says so itself where there is more.
bool is_valid(const Question& question, const Place& place) {
  constexpr int kFlags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT;
  if (question.asked.call != Call::statx) return (place.flags & ~kFlags) == 0;
  return (place.flags & ~(kFlags | AT_STATX_SYNC_TYPE)) == 0 && (question.word(3) & STATX__RESERVED) == 0;
}

Result<Fd> find(const Question& question, const Place& place) {
  const bool may_be_empty = (place.flags & AT_EMPTY_PATH) != 0;
  // Linux 6.11: with no path at all it is the descriptor, too.
  const bool absent = place.path < 0 || (may_be_empty && question.arguments[place.path] == 0);
  const auto path = absent ? std::string() : question.caller.read_path(question.arguments[place.path]);
  if (!path) return std::unexpected(path.error());
  if (path->empty() && may_be_empty) return question.caller.directory(place.base);
  return question.caller.look_up(place.base, *path, (place.flags & AT_SYMLINK_NOFOLLOW) == 0);
}

Answer show(const Question& question, const Place& place, int object, const overlay::OwnerRecord& owner) {
  auto status = sys::fstat(object);
  if (!status) return left_to_kernel();
  status->st_uid = owner.uid;
  status->st_gid = owner.gid;
  if (is_device(owner)) {
    status->st_mode = owner.mode;
    status->st_rdev = makedev(owner.major, owner.minor);
  }
  const auto done = question.caller.write(question.arguments[place.answer], &*status, sizeof *status);
  return {.error = done ? 0 : done.error().value};
}

Answer show_extended(const Question& question, const Place& place, int object, const overlay::OwnerRecord& owner) {
  auto status = sys::statx(object, "", AT_EMPTY_PATH | (place.flags & AT_STATX_SYNC_TYPE), question.word(3));
  if (!status) return left_to_kernel();
  status->stx_uid = owner.uid;
  status->stx_gid = owner.gid;
  if (is_device(owner)) {
    status->stx_mode = static_cast<std::uint16_t>(owner.mode);
    status->stx_rdev_major = owner.major;
    status->stx_rdev_minor = owner.minor;
  }
  const auto done = question.caller.write(question.arguments[place.answer], &*status, sizeof *status);
  return {.error = done ? 0 : done.error().value};
}

}  // namespace

Answer Answers::show_status(const Question& question) {
  const bool extended = question.asked.call == Call::statx;
  if (!extended && !question.asked.native) return left_to_kernel();  // a structure of other members
  const Place place = place_of(question);
  if (!is_valid(question, place)) return left_to_kernel();
  const auto object = find(question, place);
  if (!object) return left_to_kernel();
  const auto owner = owners_.shown(object->get());
  if (!owner) return left_to_kernel();
  return extended ? show_extended(question, place, object->get(), *owner)
                  : show(question, place, object->get(), *owner);
}

/// SO_PEERCRED of unix(7): by the ids that the other end has now, not when it connected.
Answer Answers::show_peer(const Question& question) {
  socklen_t room = 0;
  const bool read =
      question.descriptor(1) == SOL_SOCKET && question.caller.read(question.arguments[4], &room, sizeof room);
  if (!read || room < sizeof(ucred)) return left_to_kernel();
  const auto socket = question.caller.copy_of(question.descriptor(0));
  ucred shown{};
  socklen_t size = sizeof shown;
  if (!socket || ::getsockopt(socket->get(), SOL_SOCKET, SO_PEERCRED, &shown, &size) < 0) return left_to_kernel();
  const auto peer = question.caller.peer(shown.pid);
  if (!peer) return left_to_kernel();
  const Credentials& theirs = table_[peer->credentials];
  shown = {.pid = peer->id, .uid = theirs.user.effective, .gid = theirs.group.effective};
  auto done = question.caller.write(question.arguments[3], &shown, sizeof shown);
  if (done) done = question.caller.write(question.arguments[4], &size, sizeof size);
  return {.error = done ? 0 : done.error().value};
}

}  // namespace sandbox::ownership
