// See run_options.h.
#include "sandbox/cli/cmd/run_options.h"

#include <stdio.h>
#include <strings.h>

#include <algorithm>
#include <iterator>

#include "sandbox/base/error.h"
#include "sandbox/cli/command_table.h"
#include "sandbox/engine/attachments.h"

namespace sandbox::cli {

void print_timings(const std::string& text) { fmt::print(stderr, "{}", text); }

AttachedStreams attached_streams(const Arguments& arguments) {
  const std::vector<std::string> words = arguments.all("attach");
  if (words.empty()) return {};
  AttachedStreams streams{false, false, false};
  for (const std::string& word : words) {
    if (::strcasecmp(word.c_str(), "stdin") == 0) streams.in = true;
    else if (::strcasecmp(word.c_str(), "stdout") == 0) streams.out = true;
    else if (::strcasecmp(word.c_str(), "stderr") == 0) streams.err = true;
    else
      throw FlagError(fmt::format(
          "invalid argument \"{}\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR", word));
  }
  if (arguments.flag("detach")) throw FlagError("conflicting options: cannot specify both --attach and --detach");
  return streams;
}

void read_limits(const Arguments& arguments, engine::RunRequest& request) {
  request.memory = arguments.text("memory");
  request.memory_swap = arguments.text("memory-swap");
  request.memory_reservation = arguments.text("memory-reservation");
  request.cpus = arguments.text("cpus");
  request.cpu_period = arguments.text("cpu-period");
  request.cpu_quota = arguments.text("cpu-quota");
  request.cpu_shares = arguments.text("cpu-shares");
  request.cpuset_cpus = arguments.text("cpuset-cpus");
  request.cpuset_mems = arguments.text("cpuset-mems");
  request.pids_limit = arguments.text("pids-limit");
  request.blkio_weight = arguments.text("blkio-weight");
  request.blkio_weight_devices = arguments.all("blkio-weight-device");
  request.device_read_bps = arguments.all("device-read-bps");
  request.device_write_bps = arguments.all("device-write-bps");
  request.device_read_iops = arguments.all("device-read-iops");
  request.device_write_iops = arguments.all("device-write-iops");
}

namespace {

/// Of a list that has a shorter name, too.
std::vector<std::string> all_of(const Arguments& arguments, const char* name, const char* shorter) {
  std::vector<std::string> words = arguments.all(name);
  std::ranges::move(arguments.all(shorter), std::back_inserter(words));
  return words;
}

}  // namespace

engine::RunRequest run_request(const Arguments& arguments, const char* command) {
  (void)attached_streams(arguments);
  engine::RunRequest request;
  request.rootfs = arguments.text("rootfs");
  request.command = arguments.positional;
  if (request.rootfs.empty()) {
    if (request.command.empty()) {
      throw CountError(fmt::format("'{} {}' requires at least 1 argument", program(), command));
    }
    request.image = request.command.front();
    request.command.erase(request.command.begin());
  }
  request.storage_driver = arguments.text("storage-driver");
  request.storage_options = arguments.all("storage-opt");
  request.id_emulation = arguments.text("id-emulation");
  request.entrypoint = arguments.last("entrypoint");
  request.name = arguments.text("name");
  request.hostname = arguments.text("hostname");
  request.user = arguments.text("user");
  request.workdir = arguments.text("workdir");
  request.env = arguments.all("env");
  request.env_files = arguments.all("env-file");
  request.env_host = arguments.flag("env-host");
  request.annotations = arguments.all("annotation");
  request.profile = arguments.text("profile");
  request.time_zone = arguments.text("tz");
  request.replace = arguments.flag("replace");
  request.labels = arguments.all("label");
  request.volumes = arguments.all("volume");
  request.volumes_from = arguments.all("volumes-from");
  request.mounts = arguments.all("mount");
  request.tmpfs = arguments.all("tmpfs");
  request.secrets = arguments.all("secret");
  request.cap_add = arguments.all("cap-add");
  request.cap_drop = arguments.all("cap-drop");
  request.security_options = arguments.all("security-opt");
  request.ulimits = arguments.all("ulimit");
  std::vector<std::string> networks;
  for (const auto& [option, word] : arguments.words()) {
    if (option->name == std::string_view("network") || option->name == std::string_view("net")) networks.push_back(word);
  }
  request.ip = arguments.text("ip");
  request.network_aliases = all_of(arguments, "network-alias", "net-alias");
  request.links = arguments.all("link");
  request.mac_address = arguments.text("mac-address");
  engine::set_networks(request, networks);
  request.publish = arguments.all("publish");
  request.publish_all = arguments.flag("publish-all");
  request.dns = arguments.all("dns");
  request.dns_search = arguments.all("dns-search");
  request.dns_options = all_of(arguments, "dns-option", "dns-opt");
  request.add_hosts = arguments.all("add-host");
  request.userns = arguments.text("userns");
  request.ipc = arguments.text("ipc");
  request.pid = arguments.text("pid");
  request.uts = arguments.text("uts");
  request.cgroupns = arguments.text("cgroupns");
  request.restart = arguments.text("restart");
  request.domainname = arguments.text("domainname");
  request.oom_score_adj = arguments.text("oom-score-adj");
  request.umask = arguments.text("umask");
  request.group_add = arguments.all("group-add");
  request.sysctls = arguments.all("sysctl");
  request.devices = arguments.all("device");
  request.gpus = arguments.text("gpus");
  request.label_files = arguments.all("label-file");
  request.expose = arguments.all("expose");
  request.privileged = arguments.flag("privileged");
  request.passwd = arguments.text("passwd", "true") == "true";
  request.health = {.none = arguments.flag("no-healthcheck"),
                    .command = arguments.text("health-cmd"),
                    .interval = arguments.text("health-interval"),
                    .timeout = arguments.text("health-timeout"),
                    .start_period = arguments.text("health-start-period"),
                    .start_interval = arguments.text("health-start-interval"),
                    .retries = arguments.text("health-retries")};
  request.log_driver = arguments.text("log-driver");
  request.log_options = arguments.all("log-opt");
  request.stop_timeout = arguments.text("stop-timeout");
  request.stop_signal = arguments.text("stop-signal");
  request.shm_size = arguments.text("shm-size");
  request.platform = arguments.text("platform");
  request.cidfile = arguments.text("cidfile");
  request.pull = arguments.text("pull", "missing");
  read_limits(arguments, request);
  request.systemd = arguments.text("systemd");
  request.limits = arguments.text("limits");
  request.read_only = arguments.flag("read-only");
  request.init = arguments.flag("init");
  request.auto_remove = arguments.flag("rm");
  request.detach = arguments.flag("detach");
  request.interactive = arguments.flag("interactive");
  request.terminal = arguments.flag("tty");
  request.print_plan = arguments.flag("print-plan");
  request.timings = arguments.flag("timings");
  return request;
}

void silence(const std::string& line) {
  if (line.starts_with("WARNING")) notice(line);
}

void notice(const std::string& line) { ::fprintf(stderr, "%s\n", line.c_str()); }

}  // namespace sandbox::cli
