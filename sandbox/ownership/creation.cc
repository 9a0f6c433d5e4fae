// See creation.h.
#include "sandbox/ownership/creation.h"

#include <fcntl.h>
#include <linux/openat2.h>

namespace sandbox::ownership {
namespace {

/// Where a call has its path, and what comes before and after it.
std::optional<Creation> at_path(const Question& question, int argument, bool has_base) {
  auto path = question.caller.read_path(question.arguments[argument]);
  if (!path) return {};
  Creation wish;
  wish.base = has_base ? question.descriptor(argument - 1) : AT_FDCWD;
  wish.path = std::move(*path);
  return wish;
}

std::optional<Creation> opening(std::optional<Creation> wish, int flags, mode_t mode) {
  const bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
  if (!wish || (flags & O_PATH) != 0 || (!unnamed && (flags & (O_CREAT | O_DIRECTORY)) != O_CREAT)) return {};
  wish->type = S_IFREG;
  wish->mode = mode & 07777;
  wish->flags = flags;
  wish->opens = true;
  return wish;
}

std::optional<Creation> making(std::optional<Creation> wish, mode_t type, mode_t mode) {
  if (!wish) return {};
  wish->type = type == 0 ? mode_t{S_IFREG} : type;
  wish->mode = mode & 07777;
  return wish;
}

std::optional<Creation> linking(std::optional<Creation> wish, const Question& question) {
  auto target = question.caller.read_path(question.arguments[0]);
  if (!wish || !target) return {};
  wish->type = S_IFLNK;
  wish->target = std::move(*target);
  return wish;
}

std::optional<Creation> opening2(const Question& question) {
  open_how how{};
  const bool read =
      question.arguments[3] >= sizeof how && question.caller.read(question.arguments[2], &how, sizeof how).has_value();
  if (!read || how.resolve != 0) return {};
  return opening(at_path(question, 1, true), static_cast<int>(how.flags), static_cast<mode_t>(how.mode));
}

}  // namespace

Split split(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

std::optional<Creation> read_creation(const Question& question) {
  switch (question.asked.call) {
    case Call::open:
      return opening(at_path(question, 0, false), question.descriptor(1), question.word(2));
    case Call::creat:
      return opening(at_path(question, 0, false), O_CREAT | O_WRONLY | O_TRUNC, question.word(1));
    case Call::openat:
      return opening(at_path(question, 1, true), question.descriptor(2), question.word(3));
    case Call::openat2:
      return opening2(question);
    case Call::mkdir:
      return making(at_path(question, 0, false), S_IFDIR, question.word(1));
    case Call::mkdirat:
      return making(at_path(question, 1, true), S_IFDIR, question.word(2));
    case Call::mknod:
      return making(at_path(question, 0, false), question.word(1) & S_IFMT, question.word(1));
    case Call::mknodat:
      return making(at_path(question, 1, true), question.word(2) & S_IFMT, question.word(2));
    case Call::symlink:
      return linking(at_path(question, 1, false), question);
    case Call::symlinkat:
      return linking(at_path(question, 2, true), question);
    default:
      return {};
  }
}

}  // namespace sandbox::ownership
