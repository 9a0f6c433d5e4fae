// Objects that processes make.
//
// One that believes to have other ids than root's has a new object made by this process, which records it as the
// other's; a descriptor of it is put into the process. Whatever is in the way is left to the kernel, which then does
// the call as ever, and says what is wrong. What root makes is root's without a record.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>

#include "sandbox/base/confinement.h"
#include "sandbox/base/sys.h"
#include "sandbox/ownership/answers.h"
#include "sandbox/ownership/confine.h"
#include "sandbox/ownership/creation.h"

namespace sandbox::ownership {
namespace {

/// While it lives, this process has no more power over files than the caller.
class AsCaller {
 public:
  explicit AsCaller(const Caller& caller) {
    const auto held = caller.capabilities();
    if (held && (*held >> CAP_DAC_OVERRIDE & 1) != 0) return;
    suspend_file_capabilities(true);
    suspended_ = true;
  }
  ~AsCaller() {
    if (suspended_) suspend_file_capabilities(false);
  }
  AsCaller(const AsCaller&) = delete;
  AsCaller& operator=(const AsCaller&) = delete;

 private:
  bool suspended_ = false;
};

/// Makes it, and returns what it is opened as, or O_PATH.
Result<Fd> make(int directory, const std::string& name, const Creation& wish) {
  const char* leaf = name.c_str();
  if (wish.opens) {
    constexpr int kOurs = O_CREAT | O_EXCL | O_NOFOLLOW;
    const bool unnamed = (wish.flags & O_TMPFILE) == O_TMPFILE;
    return sys::openat(directory, leaf, unnamed ? wish.flags : wish.flags | kOurs, wish.mode);
  }
  const auto made = S_ISDIR(wish.type)   ? sys::mkdirat(directory, leaf, wish.mode)
                    : S_ISLNK(wish.type) ? sys::symlinkat(wish.target.c_str(), directory, leaf)
                                         : sys::mknodat(directory, leaf, wish.type | wish.mode, 0);
  if (!made) return std::unexpected(made.error());
  return sys::openat(directory, leaf, O_PATH | O_NOFOLLOW);
}

}  // namespace

Answer Answers::make_node(const Question& question) {
  const int first = question.asked.call == Call::mknodat ? 1 : 0;
  const mode_t mode = question.word(first + 1);
  return S_ISCHR(mode) || S_ISBLK(mode) ? make_device(question, mode, question.word(first + 2)) : create(question);
}

Answer Answers::make_device(const Question& question, mode_t mode, dev_t device) {
  const int first = question.asked.call == Call::mknodat ? 1 : 0;
  const auto path = question.caller.read_path(question.arguments[first]);
  if (!path) return {.error = path.error().value};
  const auto mask = question.caller.umask();
  if (!mask) return {.error = mask.error().value};
  const auto [directory, name] = split(*path);
  if (name.empty())
    return {.error = path->find_first_not_of('/') == std::string::npos && !path->empty() ? EEXIST : ENOENT};
  if (!is_privileged(question, question.credentials.user.file_system, CAP_MKNOD)) return {.error = EPERM};
  const auto parent = question.caller.resolve(first == 1 ? question.descriptor(0) : AT_FDCWD, directory, true);
  if (!parent) return {.error = parent.error().value};
  ::umask(*mask);
  return {.error = owners_.make_device(parent->get(), name, mode & (S_IFMT | 07777), device, question.credentials)};
}

Answer Answers::create(const Question& question) {
  const Credentials& maker = question.credentials;
  if (maker.user.file_system == 0 && maker.group.file_system == 0) return left_to_kernel();
  const auto wish = read_creation(question);
  if (!wish || (wish->opens && !question.caller.gets_descriptors())) return left_to_kernel();
  const bool unnamed = wish->opens && (wish->flags & O_TMPFILE) == O_TMPFILE;
  const auto [directory, name] = unnamed ? Split{wish->path, "."} : split(wish->path);
  const auto mask = question.caller.umask();
  if (name.empty() || !mask) return left_to_kernel();
  Result<Fd> made = std::unexpected(Errno{});
  Fd parent;
  {
    const AsCaller powers(question.caller);
    auto found = question.caller.resolve(wish->base, directory, true);
    if (!found || !owners_.are_recorded(found->get())) return left_to_kernel();
    parent = std::move(*found);
    ::umask(*mask);
    made = make(parent.get(), name, *wish);
  }
  if (!made) return left_to_kernel();
  if (const int error = owners_.adopt(made->get(), parent.get(), maker); error != 0) {
    if (!unnamed) (void)sys::unlinkat(parent.get(), name.c_str(), S_ISDIR(wish->type) ? AT_REMOVEDIR : 0);
    return {.error = error};
  }
  if (!wish->opens) return {};
  return {.descriptor = std::move(*made), .closed_by_exec = (wish->flags & O_CLOEXEC) != 0};
}

}  // namespace sandbox::ownership
