// What processes are shown of an object's owner. The kernel shows what has no record of another.
#include <fcntl.h>
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
  auto status =
      sys::statx(object, "", AT_EMPTY_PATH | (place.flags & AT_STATX_SYNC_TYPE), question.word(3) & ~STATX__RESERVED);
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
  const auto object = find(question, place);
  if (!object) return left_to_kernel();
  const auto owner = owners_.shown(object->get());
  if (!owner) return left_to_kernel();
  return extended ? show_extended(question, place, object->get(), *owner)
                  : show(question, place, object->get(), *owner);
}

}  // namespace sandbox::ownership
