// The ids that a process believes to have, and how the calls that change them work (credentials(7), setresuid(2)).
// Pure. Where the kernel would take a process's capabilities away with its user id 0, they count as taken.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace sandbox::ownership {

using Id = std::uint32_t;
inline constexpr Id kSame = UINT32_MAX;  ///< "-1" of the calls: stays as it is.

/// One kind of id, users' or groups'.
struct Ids {
  Id real = 0, effective = 0, saved = 0, file_system = 0;
  auto operator<=>(const Ids&) const = default;
  bool has(Id id) const { return id == real || id == effective || id == saved; }
};

struct Credentials {
  Ids user, group;
  std::vector<Id> groups;  ///< Supplementary ones.
  auto operator<=>(const Credentials&) const = default;

  bool is_in_group(Id id) const;
};

// Each changes `ids` of a process, privileged or not, and returns 0 or an error number.
int set_id(Ids& ids, bool privileged, Id id);                              ///< setuid(2), setgid(2)
int set_real_effective(Ids& ids, bool privileged, Id real, Id effective);  ///< setreuid(2)
int set_all(Ids& ids, bool privileged, Id real, Id effective, Id saved);   ///< setresuid(2)
void set_file_system(Ids& ids, bool privileged, Id id);                    ///< setfsuid(2): fails without a word

/// The user's file-system id follows the effective one, but for setfsuid(2). Owner and group that a process may give to
/// an object (chown(2)); kSame: none. Returns 0 or EPERM.
int check_chown(const Credentials& process, bool privileged, Id owner, Id group, Id new_owner, Id new_group);

/// Every combination of ids that the processes of a container have taken, by a number. 0: as they started.
class CredentialTable {
 public:
  explicit CredentialTable(const Credentials& first);
  static constexpr std::uint32_t kMost = 65536;
  static constexpr std::size_t kMostGroups = 1U << 20;  ///< In all combinations together.
  std::size_t size() const { return list_.size(); }

  /// None of that number: those of the start.
  const Credentials& operator[](std::uint64_t number) const;
  /// Its number, a new one if need be. 0 for a new one beyond the limit that is not the first.
  std::uint32_t number_of(const Credentials& credentials);

 private:
  std::map<Credentials, std::uint32_t> numbers_;
  std::vector<const Credentials*> list_;
  std::size_t groups_ = 0;
};

}  // namespace sandbox::ownership
