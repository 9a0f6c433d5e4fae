// Which user the container's process is (numbers, or names looked up in the image's own files), and which ids of the
// host stand behind the container's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/engine/requests.h"
#include "userns/launch_plan.h"

namespace sandbox::container {
struct State;
}

namespace sandbox::engine {

struct User {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;  ///< Supplementary, in which the image's group file lists the user.
  std::string home = "/";
};

/// The id maps of a container. `mode`: the word of --userns. With a range the container has all its ids; keep-id
/// exchanges root and the caller, so that the caller has the same number inside. Without, the one id is `user`'s.
/// `emulation`: the word of --id-emulation; without one, root gets what one id can't give it.
/// Throws UsageError for an unknown word, a user that has no id, or an emulation that can't be. Pure.
userns::IdentityPlan plan_identity(const User& user, const HostIdentity& host, const std::string& mode,
                                   const std::string& emulation);

/// Whether calls of this user are answered by the owner helper; `word`: what --id-emulation says. Throws UsageError,
/// Unsupported. Pure.
userns::IdEmulation plan_emulation(const User& user, const HostIdentity& host, const std::string& word);

/// True when the maps have a number for the user and its group.
bool is_mapped(const userns::IdentityPlan& identity, const User& user);

/// The process is of that user. Without a number for it in the maps it only believes so, and is of the first that they
/// have. Throws Unsupported where that can't be. Pure.
void become(userns::ProcessPlan& process, const userns::IdentityPlan& identity, const User& user);

/// `words`: "", "uid", "uid:gid", "name" or "name:group". `passwd` and `group` are the texts of
/// the image's files (empty when absent). Throws UsageError for an unknown name,
/// InvalidInput for a line without numbers. Pure.
User resolve_user(std::string_view words, std::string_view passwd, std::string_view group);

/// The texts of an image's /etc/passwd and /etc/group; empty when absent.
struct AccountFiles {
  std::string passwd, group;
};
/// What the host knows of the caller.
struct Account {
  std::string name, real_name, group, home;
};
Account caller_account();

/// Files of a container by their names in its directory, which are those in its /etc.
using GeneratedFiles = std::map<std::string, std::string>;

/// "passwd" and "group" with an entry for `user`, each where the image's has none. Without an account the entry is
/// called by its number. An image without such a file gets none. As podman has it. Pure.
GeneratedFiles complete_accounts(const AccountFiles& image, const User& user, const Account& account);

/// A number, or a name in the text of a group file. Throws UsageError for an unknown name. Pure.
std::uint32_t find_group(std::string_view word, std::string_view group);

/// The text of `path` in the root of a running container, as it is there now; "" unless it is a regular file of at
/// most 1 MiB. Links are resolved inside. Read by a child that joins the container's user namespace. Throws Error when
/// the container has ended.
std::string read_container_file(const container::State& state, const std::string& path);

/// The text of `path` in the top-most of `layers` that holds it as a regular file of at most 1 MiB; "" otherwise.
/// A layer is a stranger's tree: links are resolved inside it and nothing but a regular file is opened for reading.
std::string read_layer_file(const std::vector<std::string>& layers, const std::string& path);

}  // namespace sandbox::engine
