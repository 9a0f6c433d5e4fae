// The process that lives as long as its container (sbx:supervisor), and how clients talk to it.
//
// Wire protocol on the control socket (SOCK_STREAM, `<runtime>/<id>.sock`, 0600), both directions:
// {u8 type, u32 little-endian size, payload}; see protocol.h.
#pragma once

#include <signal.h>

#include <functional>
#include <string>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"
#include "userns/kept_namespace.h"

namespace sandbox::container {

/// So many descriptors of a client can become a process's 3, 4, …: what sys::send_message() takes.
inline constexpr std::size_t most_passed = 16;

/// Spawns the supervisor of a created container: re-executes this program as `helper supervisor`
/// with the container's id and a first client connection on an inherited descriptor. A container with a nested identity
/// needs the user's kept namespace, which the supervisor enters. `passed`: descriptors that become 3, 4, … of the
/// container's process, of the first one if it is started again. Returns our end of the connection.
Fd spawn_supervisor(const Places& places, const Container& container, const userns::KeptNamespace* kept = nullptr,
                    const std::vector<int>& passed = {});

/// Body of `sandbox helper supervisor ID FD USER_NS_FD|- [PASSED_FD...]`. Returns the process's exit status.
int supervisor_main(const Places& places, const std::string& id, Fd first_client, std::vector<Fd> passed = {});

/// Connects to a running container's supervisor. Throws Conflict when it is not running.
Fd connect_supervisor(const Places& places, const Container& container);

/// The control socket of the container's supervisor.
std::string control_socket_path(const Places& places, const std::string& id);

/// Holds back the signals that attach() passes on, so that one which comes while the container is being made reaches it
/// instead of killing the client alone. What is still pending at the end takes its usual effect.
class HeldSignals {
 public:
  HeldSignals();
  ~HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

 private:
  sigset_t saved_{};
};

/// What a client does with the container's terminal or streams.
struct AttachOptions {
  bool forward_stdin = false;
  bool show_output = true, show_errors = true;  ///< Otherwise what comes is left to the log.
  bool terminal = false;     ///< Raw mode, window size, detach keys.
  bool forward_signals = true;
  std::string detach_keys = "\x10\x11";  ///< Bytes as a terminal sends them; empty: none. By default ctrl-p ctrl-q.
  bool own_process = false;  ///< It was started for this client: three signals to end kill it, not the client alone.
  bool awaits_start = false; ///< An exit status that comes before the start is not that of our process.
  bool ends_unread = false;  ///< It goes, too, when nobody reads the client's output any more.
  std::function<void(const std::string&)> started = {};  ///< When the container runs, with the supervisor's timings.
};
/// Ends with the container's exit status, or 0 after detaching; by SIGPIPE when nobody reads our output any more.
/// Throws Error (LaunchError's text and exit code arrive as `StartFailure`).
int attach(Fd supervisor, const AttachOptions& options);
/// Waits until the container has started (for -d) and goes; returns the supervisor's timings. Throws StartFailure.
std::string wait_started(Fd supervisor);
/// Waits for the container's end without its output; returns its exit status.
int wait_exit(Fd supervisor);

/// The container could not start: Docker's exit code beside the message.
class StartFailure : public Error {
 public:
  StartFailure(const std::string& message, int exit_code, std::string hint = {})
      : Error(message, std::move(hint)), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

struct ExecRequest {
  userns::ProcessPlan process;
  bool open_stdin = false;
  std::size_t passed = 0;  ///< So many descriptors come along.
};
/// Sends the request on a fresh connection; then `attach` on the same descriptor. `passed`: descriptors that become the
/// process's 3, 4, …; at most `most_passed`.
void request_exec(int supervisor, ExecRequest request, const std::vector<int>& passed = {});
void request_signal(int supervisor, int signal);
/// `hold` lasts until somebody says `off`, or this connection ends.
enum class Pause : std::uint8_t { off = 0, on = 1, hold = 2 };
/// Returns when the container is frozen, or goes on. Throws StartFailure with the supervisor's reason.
void request_pause(int supervisor, Pause wish);
/// Returns when the container is on `network` (an ID), or off it, as its description says now. Throws StartFailure with
/// the supervisor's reason.
void request_network(int supervisor, const std::string& network);

}  // namespace sandbox::container
