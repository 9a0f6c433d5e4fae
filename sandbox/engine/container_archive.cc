// See container_archive.h.
#include "sandbox/engine/container_archive.h"

#include <signal.h>

#include <memory>

#include "fuse-overlay/store/owner_record.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/engine/id_range.h"
#include "sandbox/engine/step_files.h"
#include "userns/kept_namespace.h"

namespace sandbox::engine {
namespace {

sigset_t ending_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, signal);
  return signals;
}

void require_layers(const container::Container& container) {
  if (!container.spec.plan.root.upper.empty()) return;
  throw Unsupported(fmt::format("container {} writes to a directory of the host", container.spec.name));
}

/// What the disk has now is newer than the mode on record, but for what it can't hold where the user keeps access.
std::uint32_t true_mode(std::uint32_t disk, std::uint32_t recorded, bool directory) {
  const std::uint32_t held = directory ? (recorded & 01777U) | 0700U : (recorded & 0777U) | 0600U;
  return (disk & 07777U) == held ? recorded & 07777U : disk & 07777U;
}

/// Called where the files can be read.
overlay::ArchiveOptions options_for(const container::Container& container) {
  const userns::LaunchPlan& plan = container.spec.plan;
  overlay::ArchiveOptions options{.lower = plan.root.lower, .true_owners = plan.identity.nested};
  if (!plan.identity.nested) {
    options.record = recorded_owners(plan.root.upper);
    options.maker = {plan.identity.uid_map.front().inside, plan.identity.gid_map.front().inside};
  }
  for (const auto& mount : plan.mounts) options.mounts.insert(mount.target.substr(1));
  return options;
}

template <class Write>
overlay::WrittenArchive write_archive(const Places& places, const container::Container& container, Write write) {
  require_layers(container);
  return decode_written(as_owner_of_files(places, container, [&] {
    const sigset_t signals = ending_signals();
    ::sigprocmask(SIG_UNBLOCK, &signals, nullptr);  // Frozen has blocked them: they end this child, and then the client
    return encode_written(write());
  }));
}

}  // namespace

overlay::RecordedObject recorded_owners(const std::string& upper) {
  const auto owners = std::make_shared<const overlay::RecordedOwners>(upper);
  return [owners](const overlay::ObjectAt& object) -> std::optional<overlay::ObjectRecord> {
    const auto found = owners->find(object.directory, object.name.c_str());
    if (!found) return {};
    overlay::ObjectRecord record{.uid = found->uid, .gid = found->gid, .capability = {}};
    record.mode = true_mode(object.status.st_mode, found->mode, S_ISDIR(object.status.st_mode));
    if (S_ISCHR(found->mode)) record.device = 'c';
    if (S_ISBLK(found->mode)) record.device = 'b';
    record.major = found->major;
    record.minor = found->minor;
    return record;
  };
}

std::string as_owner_of_files(const Places& places, const container::Container& container,
                              const std::function<std::string()>& act) {
  if (!container.spec.plan.identity.nested) return userns::ask_in_own_namespace(act);
  const FoundRange range = find_id_range(places);
  if (!range.kept) throw Unsupported("the container's files belong to a range of ids: " + range.reason, range.fix);
  return userns::ask_in_namespace(range.kept->user_ns.get(), act);
}

overlay::WrittenArchive write_changes(const Places& places, const container::Container& container, int archive_fd,
                                      overlay::Compression compression) {
  return write_archive(places, container, [&] {
    overlay::ArchiveOptions options = options_for(container);
    options.compression = compression;
    return overlay::write_diff(container.spec.plan.root.upper, archive_fd, options);
  });
}

overlay::WrittenArchive write_tree(const Places& places, const container::Container& container, int archive_fd) {
  return write_archive(places, container, [&] {
    return overlay::write_merged(container.spec.plan.root.upper, archive_fd, options_for(container));
  });
}

Frozen::Frozen(const Places& places, const container::Container& container,
               const std::function<void(const std::string&)>& warn) {
  if (container.state.status != container::Status::running || container.state.paused) return;
  try {
    Fd supervisor = container::connect_supervisor(places, container);
    container::request_pause(supervisor.get(), container::Pause::hold);
    supervisor_ = std::move(supervisor);
  } catch (const Conflict&) {
    // It has ended, or was paused, just now.
  } catch (const Error& error) {
    warn(fmt::format("the container goes on while it is read: {}", error.what()));
  }
}

Frozen::~Frozen() {
  if (!supervisor_) return;
  try {
    container::request_pause(supervisor_.get(), container::Pause::off);
  } catch (const Error&) {
    // It was killed meanwhile, or somebody else has let it go on.
  }
}

}  // namespace sandbox::engine
