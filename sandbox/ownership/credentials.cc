// See credentials.h.
#include "sandbox/ownership/credentials.h"

#include <errno.h>

#include <algorithm>

namespace sandbox::ownership {

bool Credentials::is_in_group(Id id) const {
  return id == group.file_system || std::ranges::find(groups, id) != groups.end();
}

int set_id(Ids& ids, bool privileged, Id id) {
  if (id == kSame) return EINVAL;
  if (privileged) {
    ids = {id, id, id, id};
    return 0;
  }
  if (id != ids.real && id != ids.saved) return EPERM;
  ids.effective = ids.file_system = id;
  return 0;
}

int set_real_effective(Ids& ids, bool privileged, Id real, Id effective) {
  if (!privileged && real != kSame && real != ids.real && real != ids.effective) return EPERM;
  if (!privileged && effective != kSame && !ids.has(effective)) return EPERM;
  const Id before = ids.real;
  if (real != kSame) ids.real = real;
  if (effective != kSame) ids.effective = effective;
  if (real != kSame || (effective != kSame && effective != before)) ids.saved = ids.effective;
  ids.file_system = ids.effective;
  return 0;
}

int set_all(Ids& ids, bool privileged, Id real, Id effective, Id saved) {
  const Ids before = ids;
  for (const Id id : {real, effective, saved}) {
    if (!privileged && id != kSame && !before.has(id)) return EPERM;
  }
  if (real != kSame) ids.real = real;
  if (effective != kSame) ids.effective = effective;
  if (saved != kSame) ids.saved = saved;
  ids.file_system = ids.effective;
  return 0;
}

void set_file_system(Ids& ids, bool privileged, Id id) {
  if (id != kSame && (privileged || ids.has(id) || id == ids.file_system)) ids.file_system = id;
}

int check_chown(const Credentials& process, bool privileged, Id owner, Id group, Id new_owner, Id new_group) {
  if (privileged) return 0;
  const bool owns = process.user.file_system == owner;
  if (new_owner != kSame && !(owns && new_owner == owner)) return EPERM;
  if (new_group != kSame && !(owns && (new_group == group || process.is_in_group(new_group)))) return EPERM;
  return 0;
}

CredentialTable::CredentialTable(const Credentials& first) { (void)number_of(first); }

const Credentials& CredentialTable::operator[](std::uint64_t number) const {
  return *list_[number < list_.size() ? number : 0];
}

std::uint32_t CredentialTable::number_of(const Credentials& credentials) {
  const auto found = numbers_.find(credentials);
  if (found != numbers_.end()) return found->second;
  if (list_.size() >= kMost || groups_ + credentials.groups.size() > kMostGroups) return 0;
  groups_ += credentials.groups.size();
  const auto number = static_cast<std::uint32_t>(list_.size());
  list_.push_back(&numbers_.emplace(credentials, number).first->first);
  return number;
}

}  // namespace sandbox::ownership
