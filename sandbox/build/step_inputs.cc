// See step_inputs.h.
#include "sandbox/build/step_inputs.h"

#include <algorithm>
#include <set>

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"

namespace sandbox::build {
namespace {

constexpr std::size_t kMostFiles = 1000, kDeepest = 8, kMostTold = 10, kLongestValue = 200;

std::string shortened(std::string text) {
  if (text.size() > kLongestValue) text = text.substr(0, kLongestValue) + "…";
  return text;
}

std::string shown(const Json& value) {
  if (value.is_string()) return shortened(fmt::format("\"{}\"", value.get<std::string>()));
  const bool words = value.is_array() && std::ranges::all_of(value, [](const Json& word) { return word.is_string(); });
  if (!words) return shortened(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  std::string text;
  for (const Json& word : value) text += (text.empty() ? "" : " ") + word.get<std::string>();
  return shortened(fmt::format("\"{}\"", text));
}

std::string short_digest(const std::string& digest) { return digest.substr(0, digest.find(':') + 13); }

std::map<std::string, std::string> variables(const Json& list) {
  std::map<std::string, std::string> found;
  for (const Json& entry : list) {
    const auto text = entry.get<std::string>();
    found[text.substr(0, text.find('='))] = text.substr(std::min(text.find('=') + 1, text.size()));
  }
  return found;
}

/// One line for each key of either map whose values differ. `tell` gets the key and both values, none: it isn't there.
template <class Map, class Tell>
void compare(const Map& before, const Map& now, Tell tell) {
  std::set<std::string> keys;
  for (const auto& [key, value] : before) keys.insert(key);
  for (const auto& [key, value] : now) keys.insert(key);
  for (const std::string& key : keys) {
    const auto old = before.find(key), fresh = now.find(key);
    const auto* const from = old == before.end() ? nullptr : &old->second;
    const auto* const to = fresh == now.end() ? nullptr : &fresh->second;
    if (from == nullptr || to == nullptr || *from != *to) tell(key, from, to);
  }
}

void compare_definitions(const Json& before, const Json& now, std::vector<std::string>& lines) {
  const auto old = before.get<std::map<std::string, Json>>(), fresh = now.get<std::map<std::string, Json>>();
  compare(old, fresh, [&](const std::string& key, const Json* from, const Json* to) {
    if (key != "env" || from == nullptr || to == nullptr) {
      lines.push_back(fmt::format("{}: {} → {}", key, from ? shown(*from) : "none", to ? shown(*to) : "none"));
      return;
    }
    compare(variables(*from), variables(*to), [&](const std::string& name, const std::string* a, const std::string* b) {
      lines.push_back(fmt::format("variable {}: {} → {}", name, a ? shown(*a) : "none", b ? shown(*b) : "none"));
    });
  });
}

void compare_bases(const std::vector<std::string>& before, const std::vector<std::string>& now,
                   std::vector<std::string>& lines) {
  const auto [old, fresh] = std::ranges::mismatch(before, now);
  if (old == before.end() && fresh == now.end()) return;
  const auto number = old - before.begin() + 1;
  lines.push_back(fmt::format("layer {} below: {} → {}", number, old == before.end() ? "none" : short_digest(*old),
                              fresh == now.end() ? "none" : short_digest(*fresh)));
}

/// The first `depth` names of a path.
std::string_view beginning(std::string_view path, std::size_t depth) {
  std::size_t end = 0;
  for (std::size_t names = 0; names < depth && end != std::string_view::npos; ++names)
    end = path.find('/', end + (names > 0 ? 1 : 0));
  return path.substr(0, end);
}

bool are_few(const std::map<std::string, std::string>& files, std::size_t depth) {
  std::set<std::string_view> seen;
  for (const auto& [path, digest] : files) {
    seen.insert(beginning(path, depth));
    if (seen.size() > kMostFiles) return false;
  }
  return true;
}

}  // namespace

Json to_json(const StepInputs& inputs) {
  return {{"definition", inputs.definition}, {"base", inputs.base}, {"files", inputs.files}};
}

StepInputs inputs_from(const Json& json) {
  StepInputs inputs;
  if (json.contains("definition")) inputs.definition = json.at("definition");
  if (json.contains("base")) json.at("base").get_to(inputs.base);
  if (json.contains("files")) json.at("files").get_to(inputs.files);
  return inputs;
}

std::vector<std::string> differences(const StepInputs& before, const StepInputs& now) {
  std::vector<std::string> lines;
  compare_definitions(before.definition, now.definition, lines);
  compare_bases(before.base, now.base, lines);
  std::vector<std::string> files;
  compare(before.files, now.files, [&](const std::string& path, const std::string* from, const std::string* to) {
    files.push_back(
        fmt::format("{}: {} → {}", path, from ? short_digest(*from) : "none", to ? short_digest(*to) : "none"));
  });
  for (std::size_t i = 0; i < std::min(files.size(), kMostTold); ++i) lines.push_back(std::move(files[i]));
  if (files.size() > kMostTold) lines.push_back(fmt::format("and {} more files", files.size() - kMostTold));
  return lines;
}

std::map<std::string, std::string> condensed(std::map<std::string, std::string> files) {
  if (files.size() <= kMostFiles) return files;
  std::size_t depth = kDeepest;
  while (depth > 0 && !are_few(files, depth)) --depth;
  std::map<std::string, std::string> texts, kept;
  for (const auto& [path, digest] : files)
    texts[depth == 0 ? "." : std::string(beginning(path, depth))] += path + digest;
  for (const auto& [directory, text] : texts) kept[directory] = sha256_digest(text);
  return kept;
}

}  // namespace sandbox::build
