// See command_table.h.
#include "sandbox/cli/command_table.h"

#include <errno.h>

#include <algorithm>

#include "sandbox/cli/cmd/manifest.h"
#include "sandbox/cli/cmd/network.h"
#include "sandbox/cli/cmd/secret.h"
#include "sandbox/cli/cmd/profile.h"
#include "sandbox/cli/cmd/volume.h"

namespace sandbox::cli {
namespace {

// In the order of help.
constexpr const Command* kCommands[] = {
    &kRun,
    &kCreate,
    &kStart,
    &kExec,
    &kPs,
    &kLogs,
    &kStop,
    &kKill,
    &kRm,
    &kWait,
    &kInspect,
    &kContainerInspect,
    &kImageInspect,
    &kBuild,
    &kPull,
    &kPush,
    &kLoad,
    &kSave,
    &kLogin,
    &kLogout,
    &kSearch,
    &kImport,
    &kImages,
    &kTag,
    &kRmi,
    &kVersion,
    &kInfo,
    &kDoctor,
    &kEvents,
    &kRestart,
    &kRename,
    &kPort,
    &kAttach,
    &kPause,
    &kUnpause,
    &kTop,
    &kStats,
    &kUpdate,
    &kDiff,
    &kCommit,
    &kCp,
    &kExport,
    &kHistory,
    &kImagePrune,
    &kImageMount,
    &kImageUnmount,
    &kBuilderPrune,
    &kContainerPrune,
    &kSystemDf,
    &kSystemPrune,
    &kSystemFsck,
    &kOverlay,
    &kManifestCreate,
    &kManifestAnnotate,
    &kManifestInspect,
    &kManifestPush,
    &kManifestRm,
    &kNetworkConnect,
    &kNetworkCreate,
    &kNetworkDisconnect,
    &kNetworkInspect,
    &kNetworkLs,
    &kNetworkPrune,
    &kNetworkRm,
    &kSecretCreate,
    &kSecretExists,
    &kSecretInspect,
    &kSecretLs,
    &kSecretRm,
    &kProfileLs,
    &kProfileInspect,
    &kProfileExplain,
    &kVolumeCreate,
    &kVolumeInspect,
    &kVolumeLs,
    &kVolumePrune,
    &kVolumeRm,
    &kCompletion,
};

constexpr Alias kAliases[] = {
    {"builder build", &kBuild},
    {"buildx build", &kBuild},
    {"buildx prune", &kBuilderPrune},
    {"container attach", &kAttach},
    {"container commit", &kCommit},
    {"container cp", &kCp},
    {"container create", &kCreate},
    {"container diff", &kDiff},
    {"container exec", &kExec},
    {"container export", &kExport},
    {"container kill", &kKill},
    {"container logs", &kLogs},
    {"container ls", &kPs},
    {"container list", &kPs},
    {"container ps", &kPs},
    {"container pause", &kPause},
    {"container port", &kPort},
    {"container rename", &kRename},
    {"container restart", &kRestart},
    {"container rm", &kRm},
    {"container remove", &kRm},
    {"container run", &kRun},
    {"container start", &kStart},
    {"container stats", &kStats},
    {"container stop", &kStop},
    {"container top", &kTop},
    {"container unpause", &kUnpause},
    {"container update", &kUpdate},
    {"container wait", &kWait},
    {"image build", &kBuild},
    {"image history", &kHistory},
    {"image import", &kImport},
    {"image load", &kLoad},
    {"image ls", &kImages},
    {"image list", &kImages},
    {"image pull", &kPull},
    {"image push", &kPush},
    {"image rm", &kRmi},
    {"image remove", &kRmi},
    {"image save", &kSave},
    {"image tag", &kTag},
    {"image umount", &kImageUnmount},
    {"network list", &kNetworkLs},
    {"network remove", &kNetworkRm},
    {"secret list", &kSecretLs},
    {"secret remove", &kSecretRm},
    {"profile list", &kProfileLs},
    {"system events", &kEvents},
    {"system info", &kInfo},
    {"volume list", &kVolumeLs},
    {"volume remove", &kVolumeRm},
};

constexpr Group kGroups[] = {
    {"builder", "Manage builds"},
    {"buildx", "Manage builds, for who is used to that name"},
    {"container", "Manage containers"},
    {"image", "Manage images"},
    {"manifest", "Manage indexes of images for several platforms"},
    {"network", "Manage networks"},
    {"secret", "Manage secrets"},
    {"profile", "Look at named profiles"},
    {"system", "Manage the store"},
    {"volume", "Manage volumes"},
};

}  // namespace

std::span<const Command* const> commands() { return kCommands; }
std::span<const Alias> aliases() { return kAliases; }
std::span<const Group> groups() { return kGroups; }

std::string_view program() {
  return program_invocation_short_name == std::string_view("docker") ? "docker" : "sandbox";
}

Named find_command(std::span<const std::string> words) {
  if (words.empty()) return {};
  const std::string_view first = words[0];
  const std::string pair = words.size() > 1 ? fmt::format("{} {}", words[0], words[1]) : std::string();
  for (const Command* command : kCommands) {
    if (first == command->name) return {command, command->name, 1};
    if (pair == command->name) return {command, pair, 2};
  }
  for (const Alias& alias : kAliases) {
    if (pair == alias.name) return {alias.command, pair, 2};
  }
  return {};
}

std::vector<std::pair<std::string_view, const Command*>> commands_of(std::string_view group) {
  std::vector<std::pair<std::string_view, const Command*>> members;
  const auto add = [&](std::string_view name, const Command* command) {
    const bool is_member = name.starts_with(group) && name.size() > group.size() && name[group.size()] == ' ';
    const auto is_known = [&](const auto& member) { return member.second == command; };
    if (!is_member || std::ranges::any_of(members, is_known)) return;
    members.emplace_back(name.substr(group.size() + 1), command);
  };
  for (const Command* command : kCommands) add(command->name, command);
  for (const Alias& alias : kAliases) add(alias.name, alias.command);
  std::ranges::sort(members);
  return members;
}

const Group* find_group(std::string_view name) {
  const auto found = std::ranges::find(kGroups, name, &Group::name);
  return found == std::end(kGroups) ? nullptr : &*found;
}

std::vector<std::string_view> top_names() {
  std::vector<std::string_view> names = {"help", "oci"};
  for (const Command* command : kCommands) names.push_back(command->name);
  for (const Group& group : kGroups) names.push_back(group.name);
  return names;
}

}  // namespace sandbox::cli
