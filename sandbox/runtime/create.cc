#include "sandbox/runtime/create.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <memory>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/runtime/caller.h"
#include "sandbox/runtime/seccomp.h"

namespace sandbox::runtime {
namespace {

constexpr unsigned preserved_limit = 65536;

std::string real_directory(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.empty() ? "." : path.c_str(), nullptr), &::free);
  if (!real) throw SysError(Errno{errno}, fmt::format("bundle '{}'", path));
  return real.get();
}

std::string read_config(const std::string& bundle, const std::string& name) {
  const std::string path = name.starts_with('/') ? name : bundle + "/" + name;
  if (!path_exists(path)) throw NotFound(fmt::format("JSON specification file {} not found", name));
  return read_file(path);
}

/// How many descriptors a service manager has passed (sd_listen_fds(3)).
unsigned listen_fds() {
  const char* text = ::getenv("LISTEN_FDS");
  unsigned count = 0;
  if (text == nullptr) return 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), count);
  return error == std::errc{} && *end == 0 ? count : 0;
}

void check_preserved(unsigned count) {
  if (count > preserved_limit) throw UsageError(fmt::format("{} file descriptors can't be preserved", count));
  for (unsigned fd = 3; fd < 3 + count; ++fd) {
    if (::fcntl(static_cast<int>(fd), F_GETFD) < 0) {
      throw UsageError(fmt::format("please check that preserved-fd {} (of {}) is present", fd - 3, count));
    }
  }
}

void check_terminal(const CreateRequest& request, bool terminal) {
  if (request.detach && terminal && request.console_socket.empty()) {
    throw UsageError("cannot allocate tty if the runtime will detach without setting console socket");
  }
  if (!request.console_socket.empty() && !(request.detach && terminal)) {
    throw UsageError("cannot use console socket if the runtime will not detach or allocate tty");
  }
}

/// Hands the terminal to whoever listens at the path, with its name as the message (as conmon and shims expect).
void send_console(const std::string& path, const Fd& console) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw UsageError(fmt::format("the path of the console socket is too long: '{}'", path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw SysError(Errno{errno}, "making a socket");
  if (::connect(socket.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address) < 0) {
    throw SysError(Errno{errno}, fmt::format("connecting to the console socket '{}'", path));
  }
  constexpr std::string_view name = "/dev/ptmx";
  const int fds[] = {console.get()};
  sys::send_message(socket.get(), std::as_bytes(std::span(name)), fds) | or_throw("sending the terminal to '{}'", path);
}

/// A program that can't be executed is reported in the words that engines look for.
template <class Step>
void launching(const Step& step) {
  try {
    step();
  } catch (const userns::LaunchError& error) {
    if (error.exit_code() == 125) throw;
    throw userns::LaunchError(fmt::format("unable to start container process: {}", error.what()), error.exit_code(),
                              error.hint());
  }
}

userns::LaunchHooks launch_hooks() {
  userns::LaunchHooks hooks;
  hooks.bring_up_loopback = [] { netstack::bring_up_loopback(); };
  return hooks;
}

}  // namespace

Loaded load_bundle(const CreateRequest& request) {
  Loaded loaded;
  loaded.bundle = real_directory(request.bundle);
  const std::string name = request.config.empty() ? "config.json" : request.config;
  loaded.text = read_config(loaded.bundle, name);
  loaded.spec = oci::parse_runtime_spec(parse_json(loaded.text, name), name);
  const unsigned listening = listen_fds();
  loaded.preserved_fds = request.preserve_fds + listening;
  const PlanOptions options{request.no_new_keyring, listening, listening > 0};
  loaded.plan = plan_container(loaded.spec, loaded.bundle, survey_caller(), options);
  return loaded;
}

Creation::Creation(const Store& store, const CreateRequest& request, const Loaded& loaded) : store_(store) {
  check_terminal(request, loaded.plan.launch.process.terminal);
  check_preserved(loaded.preserved_fds);
  store_.create(request.id);
  try {
    make(request, loaded);
  } catch (...) {
    launched_.reset();
    store_.remove(request.id);
    throw;
  }
}

Creation::~Creation() {
  if (kept_) return;
  launched_.reset();  // kills what has not started
  try {
    store_.remove(record_.id);
  } catch (const Error&) {
    // `delete --force` finishes it.
  }
}

void Creation::make(const CreateRequest& request, const Loaded& loaded) {
  const oci::RuntimeSpec& spec = loaded.spec;
  record_ = {.id = request.id,
             .oci_version = spec.version,
             .bundle = loaded.bundle,
             .rootfs = loaded.plan.launch.root.directory,
             .created = timestamp(),
             .creator = ::getpid(),
             .creator_start = process_start_time(::getpid()),
             .annotations = spec.annotations};
  store_.write(record_);
  write_file_atomic(store_.config(request.id), loaded.text, false);
  gate_ = make_gate(store_, request.id);

  userns::LaunchPlan plan = loaded.plan.launch;
  apply_seccomp(spec.linux_part, plan.process);
  const userns::StdioFds stdio{0, 1, 2, loaded.preserved_fds, gate_.get()};
  launching([&] { launched_.emplace(userns::Launched::begin(plan, stdio, launch_hooks())); });
  if (!request.console_socket.empty()) send_console(request.console_socket, launched_->take_console());
  record_.pid = launched_->pid();
  record_.pid_start = process_start_time(record_.pid);
  store_.write(record_);
  if (!request.pid_file.empty()) write_file_atomic(request.pid_file, std::to_string(record_.pid), false, 0644);
}

void Creation::detach() {
  launched_->detach();
  kept_ = true;
}

void Creation::start() {
  launching([&] { launched_->start(); });
  kept_ = true;
  gate_.reset();
}

}  // namespace sandbox::runtime
