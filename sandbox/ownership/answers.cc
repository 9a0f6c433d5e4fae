// See answers.h.
#include "sandbox/ownership/answers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>

#include "sandbox/base/sys.h"

namespace sandbox::ownership {
namespace {

constexpr std::size_t kMostGroups = 65536;  // NGROUPS_MAX
constexpr std::size_t kMostKeepers = 4096;

template <class Error>
Answer failure(const Error& error) {
  return {.error = error.value};
}

}  // namespace

Answers::Answers(Owners owners, int proc) : table_({}), owners_(std::move(owners)), proc_(proc) {}

Listener Answers::listen(Fd fd, const Credentials& first) {
  Listener listener(std::move(fd));
  listener.first = table_.number_of(first);
  return listener;
}

Answer Answers::answer(const Listener& listener, const seccomp_notif& notification) {
  const Asked* asked = numbers_.find(notification.data);
  if (asked == nullptr) return {.error = ENOSYS};
  Caller caller(listener, notification, proc_);
  try {
    return answer({caller, *asked, notification.data.args, credentials_of(listener, caller)});
  } catch (const SysError& error) {
    return {.error = error.code()};
  } catch (const std::exception&) {
    return {.error = EIO};
  }
}

const Credentials& Answers::credentials_of(const Listener& listener, const Caller& caller) const {
  if (table_.size() == 1) return table_[0];
  const auto number = caller.credentials();
  if (number) return table_[*number];
  // Others may ask who it is, too (show_peer).
  if (listener.first != 0) (void)caller.set_credentials(listener.first);
  return table_[listener.first];
}

Answer Answers::answer(const Question& question) {
  const Credentials& now = question.credentials;
  switch (question.asked.call) {
    case Call::chown:
    case Call::lchown:
    case Call::fchown:
    case Call::fchownat:
      return chown(question);
    case Call::mknod:
    case Call::mknodat:
      return make_node(question);
    case Call::setuid:
    case Call::setgid:
    case Call::setreuid:
    case Call::setregid:
    case Call::setresuid:
    case Call::setresgid:
      return set_ids(question);
    case Call::setfsuid:
    case Call::setfsgid:
      return set_file_system_id(question);
    case Call::setgroups:
      return set_groups(question);
    case Call::getuid:
      return {.value = now.user.real};
    case Call::geteuid:
      return {.value = now.user.effective};
    case Call::getgid:
      return {.value = now.group.real};
    case Call::getegid:
      return {.value = now.group.effective};
    case Call::getresuid:
      return get_ids(question, now.user);
    case Call::getresgid:
      return get_ids(question, now.group);
    case Call::keep_capabilities:
      return keep_capabilities(question);
    case Call::setrlimit:
    case Call::prlimit:
      return set_limit(question);
    case Call::getsockopt:
      return show_peer(question);
    case Call::getgroups:
      return get_groups(question);
    case Call::open:
    case Call::openat:
    case Call::openat2:
    case Call::creat:
    case Call::mkdir:
    case Call::mkdirat:
    case Call::symlink:
    case Call::symlinkat:
      return create(question);
    case Call::stat:
    case Call::lstat:
    case Call::fstat:
    case Call::newfstatat:
    case Call::statx:
      return show_status(question);
  }
  return {.error = ENOSYS};
}

bool Answers::is_privileged(const Question& question, Id user, int capability) {
  if (user != 0) {
    const auto keeper = keepers_.find(question.caller.thread());
    if (keeper == keepers_.end()) return false;
    if (const auto program = question.caller.program(); !program || *program != keeper->second) return false;
  }
  const auto held = question.caller.capabilities();
  return held && (*held >> capability & 1) != 0;
}

Answer Answers::keep_capabilities(const Question& question) {
  if (question.arguments[1] == 0) {
    if (question.credentials.user.effective == 0) keepers_.erase(question.caller.thread());
  } else if (const auto program = question.caller.program()) {
    if (keepers_.size() >= kMostKeepers) keepers_.clear();  // most have ended
    keepers_[question.caller.thread()] = *program;
  }
  // Two numbers, that nobody can change meanwhile: the kernel does with them what it would have done.
  return left_to_kernel();
}

/// pam_limits(8) sets all limits while a process becomes another: the one that tells who it is stays.
Answer Answers::set_limit(const Question& question) {
  const bool asks = question.asked.call == Call::prlimit;
  if (asks && question.arguments[2] == 0) return left_to_kernel();
  const auto present = question.caller.limit_with_number();
  if (!present) return left_to_kernel();
  if (!asks || question.arguments[3] == 0) return {};
  const auto done = question.caller.write(question.arguments[3], &*present, sizeof *present);
  return {.error = done ? 0 : done.error().value};
}

Answer Answers::chown(const Question& question) {
  const bool by_descriptor = question.asked.call == Call::fchown, at = question.asked.call == Call::fchownat;
  const int ids = at ? 2 : 1;
  const unsigned flags = at ? question.word(4) : question.asked.call == Call::lchown ? AT_SYMLINK_NOFOLLOW : 0U;
  if ((flags & ~static_cast<unsigned>(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) return {.error = EINVAL};
  const auto find = [&]() -> Result<Fd> {
    if (by_descriptor) return question.caller.descriptor(question.descriptor(0));
    auto path = question.caller.read_path(question.arguments[at ? 1 : 0]);
    if (!path) return std::unexpected(path.error());
    const int base = at ? question.descriptor(0) : AT_FDCWD;
    if (path->empty() && (flags & AT_EMPTY_PATH) != 0) {
      return question.caller.directory(base);
    }
    return question.caller.resolve(base, *path, (flags & AT_SYMLINK_NOFOLLOW) == 0);
  };
  const auto object = find();
  if (!object) return failure(object.error());
  return {.error = owners_.change(object->get(), question.id(ids), question.id(ids + 1), question.credentials,
                                  is_privileged(question, question.credentials.user.file_system, CAP_CHOWN))};
}

Answer Answers::become(const Question& question, const Credentials& credentials) {
  const std::uint32_t number = table_.number_of(credentials);
  if (number == 0 && credentials != table_[0]) return {.error = EAGAIN};
  if (auto done = question.caller.set_credentials(number); !done) return failure(done.error());
  return {};
}

Answer Answers::set_ids(const Question& question) {
  Credentials next = question.credentials;
  const Call call = question.asked.call;
  const bool of_user = call == Call::setuid || call == Call::setreuid || call == Call::setresuid,
             privileged = is_privileged(question, next.user.effective, of_user ? CAP_SETUID : CAP_SETGID);
  Ids& ids = of_user ? next.user : next.group;
  int error = 0;
  if (call == Call::setuid || call == Call::setgid) {
    error = set_id(ids, privileged, question.id(0));
  } else if (call == Call::setreuid || call == Call::setregid) {
    error = set_real_effective(ids, privileged, question.id(0), question.id(1));
  } else {
    error = set_all(ids, privileged, question.id(0), question.id(1), question.id(2));
  }
  return error != 0 ? Answer{.error = error} : become(question, next);
}

Answer Answers::set_file_system_id(const Question& question) {
  Credentials next = question.credentials;
  const bool of_user = question.asked.call == Call::setfsuid;
  Ids& ids = of_user ? next.user : next.group;
  const Id before = ids.file_system;
  const int capability = of_user ? CAP_SETUID : CAP_SETGID;
  set_file_system(ids, is_privileged(question, question.credentials.user.effective, capability), question.id(0));
  if (next != question.credentials) (void)become(question, next);
  return {.value = before};
}

Answer Answers::set_groups(const Question& question) {
  const std::size_t count = question.word(0);
  if (!is_privileged(question, question.credentials.user.effective, CAP_SETGID)) return {.error = EPERM};
  if (count > kMostGroups) return {.error = EINVAL};
  Credentials next = question.credentials;
  std::vector<std::uint8_t> bytes(count * question.width());
  if (auto done = question.caller.read(question.arguments[1], bytes.data(), bytes.size()); !done)
    return failure(done.error());
  next.groups.clear();
  for (std::size_t at = 0; at < bytes.size(); at += question.width()) {
    Id id = 0;
    std::memcpy(&id, &bytes[at], question.width());  // little-endian, as all architectures of ours
    next.groups.push_back(id);
  }
  return become(question, next);
}

Answer Answers::get_ids(const Question& question, const Ids& ids) {
  int index = 0;
  for (const Id id : {ids.real, ids.effective, ids.saved}) {
    auto done = question.caller.write(question.arguments[index++], &id, question.width());
    if (!done) return failure(done.error());
  }
  return {};
}

Answer Answers::get_groups(const Question& question) {
  const std::vector<Id>& groups = question.credentials.groups;
  const int room = question.descriptor(0);
  const auto count = static_cast<std::int64_t>(groups.size());
  if (room < 0 || (room != 0 && room < count)) return {.error = EINVAL};
  std::vector<std::uint8_t> bytes(groups.size() * question.width());
  for (std::size_t i = 0; i < groups.size(); ++i)
    std::memcpy(&bytes[i * question.width()], &groups[i], question.width());
  if (room == 0 || bytes.empty()) return {.value = count};
  if (auto done = question.caller.write(question.arguments[1], bytes.data(), bytes.size()); !done)
    return failure(done.error());
  return {.value = count};
}

}  // namespace sandbox::ownership
