// `build`: an image from a Dockerfile.
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "sandbox/build/solver.h"
#include "sandbox/cli/build_call.h"
#include "sandbox/cli/build_progress.h"
#include "sandbox/cli/cmd/run_options.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/profile_arguments.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/build_image.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"add-host", '\0', "list", "Add a custom host-to-IP mapping (host:ip)"},
    {"allow", '\0', "list", "Allow what a step asks for beyond the usual: network.host"},
    {"annotation", '\0', "list", "Add annotation to the image"},
    {"attest", '\0', "list", "Attestations, of which none are made (\"type=sbom,disabled=true\")"},
    {"build-arg", '\0', "list", "Set build-time variables"},
    {"build-context", '\0', "list", "Additional build contexts (name=path)"},
    {"cache-from", '\0', "list", "Take results of steps from there (\"user/app:cache\", \"type=local,src=path\")"},
    {"cache-to", '\0', "list", "Put results of steps there (\"type=registry,ref=…,mode=max\", \"type=inline\")"},
    {"call", '\0', "string", "What to do: build, check (lint), outline, targets; \",format=json\""},
    {"check", '\0', nullptr, "Shorthand for \"--call=check\": say what is dubious about the Dockerfile"},
    {"compress", '\0', nullptr, "Compress the build context (it is sent nowhere)"},
    {"cpu-period", '\0', "number", "Limit the CPU CFS (Completely Fair Scheduler) period"},
    {"cpu-quota", '\0', "number", "Limit the CPU CFS (Completely Fair Scheduler) quota"},
    {"cpu-shares", 'c', "number", "CPU shares (relative weight)"},
    {"cpuset-cpus", '\0', "string", "CPUs in which to allow execution (0-3, 0,1)"},
    {"cpuset-mems", '\0', "string", "MEMs in which to allow execution (0-3, 0,1)"},
    {"explain", '\0', nullptr, "Say of each step why it is done, or cached: what has changed, from what to what"},
    {"file", 'f', "string", "Name of the Dockerfile (default: \"PATH/Dockerfile\")"},
    {"force-rm", '\0', nullptr, "Always remove intermediate containers (always so)"},
    {"iidfile", '\0', "string", "Write the image ID to a file"},
    {"label", '\0', "list", "Set metadata for an image"},
    {"load", '\0', nullptr, "Shorthand for \"--output=type=docker\""},
    {"memory", 'm', "bytes", "Memory limit"},
    {"memory-swap", '\0', "bytes", "Swap limit equal to memory plus swap: -1 to enable unlimited swap"},
    {"metadata-file", '\0', "string", "Write build result metadata to a file"},
    {"network", '\0', "string", "Network of the RUN instructions: default, none or host"},
    {"no-cache", '\0', nullptr, "Do not use what earlier builds have made"},
    {"no-cache-filter", '\0', "list", "Do not use the cache for these stages"},
    {"output", 'o', "list", "Output destination (\"type=local,dest=path\")"},
    {"parallel", '\0', "number", "Steps that may run at once (default: one per processor)"},
    {"platform", '\0', "string", "Set target platform for base images"},
    {"profile", '\0', "string", "Take the options of a named profile, under those that are given here"},
    {"progress", '\0', "string", "Kind of output: auto, plain, tty, quiet or rawjson"},
    {"provenance", '\0', "string", "Shorthand for \"--attest=type=provenance\": false"},
    {"pull", '\0', nullptr, "Always pull base images"},
    {"push", '\0', nullptr, "Shorthand for \"--output=type=registry\""},
    {"quiet", 'q', nullptr, "Print the image ID on success, and nothing else"},
    {"rm", '\0', nullptr, "Remove intermediate containers after a successful build (always so)"},
    {"sbom", '\0', "string", "Shorthand for \"--attest=type=sbom\": false"},
    {"secret", '\0', "list", "Secret for RUN --mount=type=secret (id=mysecret[,src=/local/secret|,env=VAR])"},
    {"shm-size", '\0', "bytes", "Shared memory size for build containers"},
    {"squash", '\0', nullptr, "Squash newly built layers into a single new layer"},
    {"ssh", '\0', "list", "SSH agent socket for RUN --mount=type=ssh (default[=socket])"},
    {"tag", 't', "list", "Name and optionally a tag (\"name:tag\"); may be given several times"},
    {"target", '\0', "string", "Set the target build stage"},
    {"timings", '\0', nullptr, "Say at the end how long each step has taken"},
    {"ulimit", '\0', "ulimit", "Ulimit options"},
};

constexpr RefusedOption kRefusedOptions[] = {
    {"builder", "builds are made by this program itself"},
    {"cgroup-parent", kNoCgroupParent},
    {"isolation", kOfWindows},
    {"security-opt", "all steps have the default profile, so that they come to the same with everybody"},
};

/// NAME=value; a bare NAME takes this process's value, and is left out when there is none.
std::map<std::string, std::string> build_args(const Arguments& arguments) {
  std::map<std::string, std::string> found;
  for (const std::string& word : arguments.all("build-arg")) {
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (name.empty()) throw UsageError(fmt::format("invalid build argument: {}", word));
    if (equals != std::string::npos)
      found[name] = word.substr(equals + 1);
    else if (const char* value = ::getenv(name.c_str()))
      found[name] = value;
  }
  return found;
}

constexpr std::size_t kLargestSecret = 500U << 10;  // BuildKit's bound

std::string secret_of(const std::string& words, std::string& id) {
  std::string file, variable;
  for (const OptionField& field : split_options(words)) {
    const std::string value(field.value.value_or(""));
    if (field.key == "id")
      id = value;
    else if (field.key == "src" || field.key == "source")
      file = value;
    else if (field.key == "env")
      variable = value;
    else if (field.key != "type" || (value != "file" && value != "env"))
      throw UsageError(fmt::format("invalid argument \"{}\" for \"--secret\" flag: unexpected '{}'", words, field.key));
  }
  if (id.empty())
    throw UsageError(fmt::format("invalid argument \"{}\" for \"--secret\" flag: an id is missing", words));
  if (variable.empty() && file.empty() && ::getenv(id.c_str()) != nullptr) variable = id;
  if (variable.empty()) return read_file(file.empty() ? id : file, kLargestSecret);
  const char* const value = ::getenv(variable.c_str());
  if (value == nullptr) throw NotFound(fmt::format("secret {}: the environment has no {}", id, variable));
  return value;
}

/// "default", "default=/path/of/socket"
std::pair<std::string, std::string> agent_of(const std::string& words) {
  const auto equals = words.find('=');
  std::string socket = equals == std::string::npos ? "" : words.substr(equals + 1);
  if (const char* const given = ::getenv("SSH_AUTH_SOCK"); socket.empty() && given != nullptr) socket = given;
  if (socket.empty()) {
    throw UsageError(fmt::format("invalid empty ssh agent socket for \"{}\"", words),
                     "SSH_AUTH_SOCK has to be set; 'ssh-agent' starts an agent");
  }
  const auto status = sys::fstatat(AT_FDCWD, socket.c_str(), 0);
  if (!status) throw SysError(status.error(), fmt::format("looking for the agent's socket '{}'", socket));
  if (!S_ISSOCK(status->st_mode)) {
    throw UsageError(fmt::format("'{}' is no agent's socket", socket), "'ssh-add' gives a key to an agent");
  }
  return {words.substr(0, equals), socket};
}

/// "NAME=value" of a flag; `form` says what is expected.
std::pair<std::string, std::string> pair_of(const std::string& words, const char* flag, const char* form) {
  const auto equals = words.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw UsageError(fmt::format("invalid argument \"{}\" for \"--{}\" flag: expected {}", words, flag, form));
  return {words.substr(0, equals), words.substr(equals + 1)};
}

/// "manifest:key=value" or "key=value": there is one manifest.
std::pair<std::string, std::string> annotation_of(std::string words) {
  constexpr std::string_view kManifest = "manifest:";
  for (const char* other : {"index:", "manifest-descriptor:", "index-descriptor:"}) {
    if (words.starts_with(other))
      throw Unsupported(fmt::format("annotation '{}': only the manifest of an image can have some", words));
  }
  if (words.starts_with(kManifest)) words.erase(0, kManifest.size());
  return pair_of(words, "annotation", "key=value");
}

engine::RunRequest limits_of(const Arguments& arguments) {
  engine::RunRequest limits;
  limits.add_hosts = arguments.all("add-host");
  limits.ulimits = arguments.all("ulimit");
  read_limits(arguments, limits);
  limits.shm_size = arguments.text("shm-size");
  return limits;
}

std::vector<engine::BuildOutput> outputs_of(const Arguments& arguments) {
  std::vector<engine::BuildOutput> outputs;
  for (const std::string& words : arguments.all("output")) outputs.push_back(engine::parse_output(words));
  if (arguments.flag("load")) outputs.push_back(engine::parse_output("type=docker"));
  if (arguments.flag("push")) outputs.push_back(engine::parse_output("type=registry"));
  return outputs;
}

/// What scripts say to have none of is no matter; what can't be had is an error.
void check_extras(const Arguments& arguments) {
  const auto refuse = [](std::string_view flag, std::string_view words) {
    throw Unsupported(fmt::format("--{} {} is not possible: no attestations are made", flag, words));
  };
  for (const char* flag : {"provenance", "sbom"}) {
    const auto words = arguments.last(flag);
    if (words && *words != "false" && *words != "0") refuse(flag, *words);
  }
  for (const std::string& words : arguments.all("attest")) {
    const auto disables = [](const OptionField& field) { return field.key == "disabled" && field.value == "true"; };
    if (std::ranges::none_of(split_options(words), disables)) refuse("attest", words);
  }
  for (const std::string& words : arguments.all("allow")) {
    if (words != "network.host")
      throw Unsupported(fmt::format("--allow {} is not possible: a step has no more power than its user", words));
  }
}

engine::BuildRequest request_of(const Arguments& arguments) {
  check_extras(arguments);
  engine::BuildRequest request;
  request.context = arguments.positional[0];
  request.dockerfile = arguments.text("file");
  request.tags = arguments.all("tag");
  request.build_args = build_args(arguments);
  request.labels = arguments.all("label");
  request.target = arguments.text("target");
  request.network = arguments.text("network");
  request.platform = arguments.text("platform");
  for (const std::string& words : arguments.all("build-context"))
    request.contexts.insert(pair_of(words, "build-context", "name=path"));
  for (const std::string& words : arguments.all("annotation")) request.annotations.insert(annotation_of(words));
  for (const std::string& words : arguments.all("ssh")) request.agents.insert(agent_of(words));
  request.limits = limits_of(arguments);
  request.outputs = outputs_of(arguments);
  for (const std::string& words : arguments.all("cache-from"))
    request.cache_from.push_back(engine::parse_cache_from(words));
  for (const std::string& words : arguments.all("cache-to")) request.cache_to.push_back(engine::parse_cache_to(words));
  request.pull = arguments.flag("pull");
  request.squash = arguments.flag("squash");
  request.explain = arguments.flag("explain");
  request.no_cache = arguments.flag("no-cache");
  request.no_cache_stages = arguments.all("no-cache-filter");
  if (!request.network.empty() && request.network != "default" && request.network != "none" &&
      request.network != "host") {
    throw UsageError(fmt::format("network {} not found", request.network), "networks: default, none, host");
  }
  for (const std::string& words : arguments.all("secret")) {
    std::string id;
    const std::string content = secret_of(words, id);
    request.secrets[id] = content;
  }
  if (const auto parallel = arguments.last("parallel")) {
    if (parallel->empty() || parallel->size() > 4 || parallel->find_first_not_of("0123456789") != std::string::npos) {
      throw UsageError(fmt::format("invalid argument \"{}\" for \"--parallel\" flag: a number", *parallel));
    }
    request.parallel = std::stoul(*parallel);
  }
  return request;
}

/// What scripts read after a build, with BuildKit's names.
void write_metadata(const std::string& path, const engine::BuiltImage& built) {
  Json metadata = Json::object();
  if (!built.id.empty()) {
    metadata["containerimage.config.digest"] = built.id;
    metadata["containerimage.digest"] = built.manifest.digest;
    metadata["containerimage.descriptor"] = {
        {"mediaType", built.manifest.media_type}, {"digest", built.manifest.digest}, {"size", built.manifest.size}};
    std::string names;
    for (const image::Reference& name : built.names) names += (names.empty() ? "" : ",") + name.canonical();
    if (!names.empty()) metadata["image.name"] = names;
  }
  write_file_atomic(path, metadata.dump(2) + "\n", false, 0644);
}

int run(const Arguments& given) {
  const Arguments arguments = with_profile(given, kOptions, "build");
  const engine::BuildRequest request = request_of(arguments);
  const BuildCall call = parse_build_call(arguments.text("call"), arguments.flag("check"));
  if (call.what != BuildCall::What::build) {
    const Places places = find_places();
    make_places(places);
    return make_build_call(call, places, request);
  }
  auto progress = make_progress(arguments.flag("quiet") ? "quiet" : arguments.text("progress", "auto"));
  if (arguments.flag("timings")) progress = with_timings(std::move(progress));
  const Places places = find_places();
  make_places(places);
  engine::BuiltImage built;
  try {
    built = engine::build_image(places, request, *progress);
  } catch (const sandbox::build::Interrupted& interrupted) {
    container::ContainerStore(places).sweep();  // the steps' containers, whose owners have been killed
    print_error("build canceled");
    return 128 + interrupted.signal;
  }
  if (const auto file = arguments.last("iidfile")) write_file_atomic(*file, built.id, false, 0644);
  if (const auto file = arguments.last("metadata-file")) write_metadata(*file, built);
  if (!arguments.flag("quiet"))
    progress->built(built);
  else if (!built.id.empty())
    print(built.id + "\n");
  return 0;
}

}  // namespace

const Command kBuild{"build", "build [OPTIONS] PATH | URL | -", "Build an image from a Dockerfile", kOptions, run, 1,
                     1, true, 1, kRefusedOptions};

}  // namespace sandbox::cli
