// `completion`: the script for a shell; and `__complete`, which that asks.
#include "sandbox/cli/completion.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/command_table.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/table.h"
#include "sandbox/container/container_store.h"
#include "sandbox/container/network_store.h"
#include "sandbox/container/secret_store.h"
#include "sandbox/engine/profile.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

std::vector<std::string> container_names(const Places& places, bool only_running) {
  std::vector<std::string> names;
  for (const auto& one : container::ContainerStore(places).entries()) {
    if (!only_running || container::is_up(one.state)) names.push_back(one.spec.name);
  }
  return names;
}

std::vector<std::string> image_names(const Places& places) {
  std::vector<std::string> names;
  for (const auto& image : image::ImageStore(places).list()) {
    if (image.name.empty()) {
      names.push_back(short_id(image.id()));
      continue;
    }
    const std::string familiar = image::parse_reference(image.name).familiar();
    names.push_back(familiar);
    if (familiar.ends_with(":latest")) names.push_back(familiar.substr(0, familiar.size() - 7));
  }
  return names;
}

std::vector<std::string> secret_names(const Places& places) {
  std::vector<std::string> names;
  for (const auto& one : container::SecretStore(places).list()) names.push_back(one.name);
  return names;
}

std::vector<std::string> network_names(const Places& places) {
  std::vector<std::string> names;
  for (const auto& one : container::NetworkStore(places).list()) names.push_back(one.name);
  return names;
}

std::vector<std::string> list(Names kind) {
  const Places places = find_places();
  try {
    if (kind == Names::images) return image_names(places);
    if (kind == Names::networks) return network_names(places);
    if (kind == Names::secrets) return secret_names(places);
    if (kind == Names::profiles) return engine::profile_names();
    if (kind == Names::volumes) return list_directory(places.data + "/volumes");
    return container_names(places, kind == Names::running_containers);
  } catch (const Error&) {
    return {};  // a key press is no occasion for messages
  }
}

int run(const Arguments& arguments) {
  print(completion_script(arguments.positional[0], program()));
  return 0;
}

}  // namespace

int complete_main(std::span<char* const> words) {
  const std::vector<std::string> typed(words.begin(), words.end());
  const Candidates found = complete(typed, list);
  for (const auto& [word, summary] : found.words) print(fmt::format("{}\t{}\n", one_cell(word), summary));
  if (found.files) print(":files\n");
  return 0;
}

const Command kCompletion{"completion",
                          "completion bash|zsh|fish",
                          "Generate the autocompletion script for the specified shell",
                          {},
                          run,
                          1,
                          1};

}  // namespace sandbox::cli
