// `build`: an image from a Dockerfile.
#include <stdio.h>
#include <stdlib.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/build/solver.h"
#include "sandbox/cli/build_progress.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/build_image.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"add-host", '\0', "list", "Add a custom host-to-IP mapping (host:ip)"},
    {"build-arg", '\0', "list", "Set build-time variables"},
    {"file", 'f', "string", "Name of the Dockerfile (default: \"PATH/Dockerfile\")"},
    {"iidfile", '\0', "string", "Write the image ID to a file"},
    {"label", '\0', "list", "Set metadata for an image"},
    {"network", '\0', "string", "Network of the RUN instructions: default, none or host"},
    {"no-cache", '\0', nullptr, "Do not use what earlier builds have made"},
    {"no-cache-filter", '\0', "list", "Do not use the cache for these stages"},
    {"parallel", '\0', "number", "Steps that may run at once (default: one per processor)"},
    {"platform", '\0', "string", "Set target platform for base images"},
    {"progress", '\0', "string", "Kind of output: auto, plain or quiet"},
    {"pull", '\0', nullptr, "Always pull base images"},
    {"quiet", 'q', nullptr, "Print the image ID on success, and nothing else"},
    {"secret", '\0', "list", "Secret for RUN --mount=type=secret (id=mysecret[,src=/local/secret|,env=VAR])"},
    {"tag", 't', "list", "Name and optionally a tag (\"name:tag\"); may be given several times"},
    {"target", '\0', "string", "Set the target build stage"},
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
  for (std::string_view rest = words; !rest.empty();) {
    const std::string_view field = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(field.size() + 1, rest.size()));
    const auto equals = field.find('=');
    const std::string_view key = field.substr(0, equals);
    const std::string value(equals == std::string_view::npos ? "" : field.substr(equals + 1));
    if (key == "id")
      id = value;
    else if (key == "src" || key == "source")
      file = value;
    else if (key == "env")
      variable = value;
    else if (key != "type" || (value != "file" && value != "env"))
      throw UsageError(fmt::format("invalid argument \"{}\" for \"--secret\" flag: unexpected '{}'", words, field));
  }
  if (id.empty())
    throw UsageError(fmt::format("invalid argument \"{}\" for \"--secret\" flag: an id is missing", words));
  if (variable.empty() && file.empty() && ::getenv(id.c_str()) != nullptr) variable = id;
  if (variable.empty()) return read_file(file.empty() ? id : file, kLargestSecret);
  const char* const value = ::getenv(variable.c_str());
  if (value == nullptr) throw NotFound(fmt::format("secret {}: the environment has no {}", id, variable));
  return value;
}

engine::BuildRequest request_of(const Arguments& arguments) {
  engine::BuildRequest request;
  request.context = arguments.positional[0];
  request.dockerfile = arguments.text("file");
  request.tags = arguments.all("tag");
  request.build_args = build_args(arguments);
  request.labels = arguments.all("label");
  request.target = arguments.text("target");
  request.network = arguments.text("network");
  request.platform = arguments.text("platform");
  request.add_hosts = arguments.all("add-host");
  request.pull = arguments.flag("pull");
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

int run(const Arguments& arguments) {
  const engine::BuildRequest request = request_of(arguments);
  const auto progress = make_progress(arguments.flag("quiet") ? "quiet" : arguments.text("progress", "auto"));
  const Places places = find_places();
  make_places(places);
  std::string id;
  try {
    id = engine::build_image(places, request, *progress);
  } catch (const sandbox::build::Interrupted& interrupted) {
    container::ContainerStore(places).sweep();  // the steps' containers, whose owners have been killed
    print_error("build canceled");
    return 128 + interrupted.signal;
  }
  if (const auto file = arguments.last("iidfile")) write_file_atomic(*file, id, false, 0644);
  if (arguments.flag("quiet"))
    print(id + "\n");
  else
    progress->built(id, request.tags);
  return 0;
}

}  // namespace

const Command kBuild{"build", "build [OPTIONS] PATH | -", "Build an image from a Dockerfile", kOptions, run, 1, 1};

}  // namespace sandbox::cli
