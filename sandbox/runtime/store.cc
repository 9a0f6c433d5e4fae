#include "sandbox/runtime/store.h"

#include <errno.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json_fields.h"
#include "sandbox/base/places.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/runtime/cgroup.h"

namespace sandbox::runtime {

template <class A>
void describe(A& field, Described<Record> auto& record) {
  field("id", record.id);
  field("ociVersion", record.oci_version);
  field("bundle", record.bundle);
  field("rootfs", record.rootfs);
  field("created", record.created);
  field("pid", record.pid);
  field("pidStart", record.pid_start);
  field("creator", record.creator);
  field("creatorStart", record.creator_start);
  field("cgroup", record.cgroup);
  field("annotations", record.annotations);
  field("scope", record.scope);
  field("scopeBus", record.scope_bus);
  field("hasLaterSteps", record.has_later_steps);
  field("rdtGroup", record.rdt_group);
  field("rdtMonitor", record.rdt_monitor);
}

namespace {

constexpr std::size_t id_limit = 255;  // NAME_MAX
constexpr int record_version = 1;
constexpr const char* removed_prefix = ".removed-";

/// An address that reaches `path` however long it is: relative to a descriptor of its directory.
struct SocketAddress {
  SocketAddress(const std::string& directory, const std::string& name)
      : place(sys::openat(AT_FDCWD, directory.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening '{}'", directory)) {
    const std::string path = fmt::format("/proc/self/fd/{}/{}", place.get(), name);
    value.sun_family = AF_UNIX;
    std::memcpy(value.sun_path, path.c_str(), path.size() + 1);
  }
  const sockaddr* get() const { return static_cast<const sockaddr*>(static_cast<const void*>(&value)); }

  Fd place;
  sockaddr_un value{};
};

Fd make_socket() {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) throw SysError(Errno{errno}, "making a socket");
  return socket;
}

/// Other users must be able neither to put containers there nor to change them.
void check_private(const std::string& path) {
  const Fd directory = sys::openat(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening '{}'", path);
  const auto status = sys::fstat(directory.get()) | or_throw("reading the status of '{}'", path);
  if (status.st_uid != ::geteuid()) throw Error(fmt::format("state directory '{}' belongs to another user", path));
  if ((status.st_mode & 0022) != 0) {
    throw Error(fmt::format("state directory '{}' can be written by other users", path),
                "chmod go-w it, or choose another with --root");
  }
}

bool is_alive(int pid, std::uint64_t start) { return start != 0 && process_start_time(pid) == start; }

}  // namespace

const char* to_word(Status status) {
  switch (status) {
    case Status::creating:
      return "creating";
    case Status::created:
      return "created";
    case Status::running:
      return "running";
    case Status::paused:
      return "paused";
    case Status::stopped:
      break;
  }
  return "stopped";
}

void check_id(const std::string& id) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
           c == '.' || c == '-';
  };
  if (id.empty()) throw InvalidInput("container id cannot be empty");
  if (id == "." || id == ".." || id.size() > id_limit || !std::ranges::all_of(id, allowed)) {
    throw InvalidInput("invalid container ID format");
  }
}

Store::Store(std::string given) : root_(std::move(given)), given_(!root_.empty()) {
  if (!given_) root_ = find_places().runtime + "/oci";
}

void Store::make_root() const {
  make_directories(root_);
  check_private(root_);
}

void Store::create(const std::string& id) const {
  check_id(id);
  make_root();
  const auto made = sys::mkdirat(AT_FDCWD, directory(id).c_str(), 0700);
  if (made) return;
  if (made.error().value == EEXIST) throw Conflict("container with given ID already exists");
  throw SysError(made.error(), fmt::format("creating directory '{}'", directory(id)));
}

Record Store::load(const std::string& id) const {
  check_id(id);
  const std::string path = record_file(id);
  if (!path_exists(path)) throw NotFound("container does not exist");
  check_private(root_);
  const auto record = read_versioned<Record>(parse_json(read_file(path), path), path, record_version);
  if (record.id != id) throw InvalidInput(fmt::format("'{}' is the record of another container", path));
  return record;
}

void Store::write(const Record& record) const {
  const std::string text = write_versioned(record, record_version).dump(-1, ' ', false, Json::error_handler_t::replace);
  write_file_atomic(record_file(record.id), text, false);
}

void Store::remove(const std::string& id) const {
  check_id(id);
  const std::string hidden = root_ + "/" + removed_prefix + random_hex(8);
  const auto renamed = sys::renameat2(AT_FDCWD, directory(id).c_str(), AT_FDCWD, hidden.c_str(), 0);
  if (!renamed && renamed.error().value != ENOENT)
    throw SysError(renamed.error(), fmt::format("removing '{}'", directory(id)));
  for (const std::string& name : list_directory(root_)) {
    if (name.starts_with(removed_prefix)) remove_tree(root_ + "/" + name);
  }
}

std::vector<std::string> Store::ids() const {
  if (given_ && !path_exists(root_)) throw SysError(Errno{ENOENT}, fmt::format("open {}", root_));
  std::vector<std::string> names = list_directory(root_);
  std::erase_if(names, [&](const std::string& name) {
    const auto status = sys::fstatat(AT_FDCWD, directory(name).c_str(), AT_SYMLINK_NOFOLLOW);
    return name.starts_with('.') || !status || !S_ISDIR(status->st_mode);
  });
  std::ranges::sort(names);
  return names;
}

Status status_of(const Store& store, const Record& record) {
  if (record.pid == 0) return is_alive(record.creator, record.creator_start) ? Status::creating : Status::stopped;
  if (!is_alive(record.pid, record.pid_start)) return Status::stopped;
  if (const auto directory = look_at_cgroup(record); directory && directory->is_frozen()) return Status::paused;
  return connect_gate(store, record.id) ? Status::created : Status::running;
}

Fd open_process(const Record& record) {
  auto pidfd = record.pid > 0 ? sys::pidfd_open(record.pid) : Result<Fd>(std::unexpected(Errno{ESRCH}));
  // The time of start is asked after the open: then the descriptor is of that very process (pidfd_open(2)).
  if (!pidfd || !is_alive(record.pid, record.pid_start)) throw Conflict("container not running");
  return std::move(*pidfd);
}

std::optional<Fd> connect_gate(const Store& store, const std::string& id) {
  const SocketAddress address(store.directory(id), "gate");
  Fd socket = make_socket();
  if (::connect(socket.get(), address.get(), sizeof address.value) == 0) return socket;
  if (errno == ENOENT || errno == ECONNREFUSED) return std::nullopt;
  throw SysError(Errno{errno}, fmt::format("connecting to the gate of container '{}'", id));
}

Fd make_gate(const Store& store, const std::string& id) {
  const SocketAddress address(store.directory(id), "gate");
  Fd socket = make_socket();
  if (::bind(socket.get(), address.get(), sizeof address.value) < 0) {
    throw SysError(Errno{errno}, fmt::format("binding '{}'", store.gate(id)));
  }
  if (::listen(socket.get(), SOMAXCONN) < 0)
    throw SysError(Errno{errno}, fmt::format("listening on '{}'", store.gate(id)));
  return socket;
}

std::string timestamp() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  char text[32];
  ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:09}Z", text, now.tv_nsec);
}

}  // namespace sandbox::runtime
