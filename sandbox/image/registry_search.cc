#include "sandbox/image/registry_search.h"

#include <algorithm>
#include <functional>
#include <set>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/image/registry_client.h"

namespace sandbox::image {
namespace {

constexpr std::size_t kMostPages = 200;  // Of a thousand names each.
constexpr std::size_t kMostTags = 10'000;

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& list_of(const Json& document, const char* key, const char* what) {
  if (!document.is_object() || !document.contains(key)) throw InvalidInput(fmt::format("{} has no '{}'", what, key));
  return document.at(key);
}

/// The names on all pages that begin with `url`, until `take` has had enough: then it answers false.
void walk_pages(RegistryClient& client, Url url, const char* key, const std::function<bool(const std::string&)>& take) {
  for (std::size_t page = 0; page < kMostPages; ++page) {
    const HttpResponse answer = client.send({"GET", url, {}});
    if (!answer.ok()) client.refuse(answer);
    for (const std::string& name : parse_names(answer.body, key)) {
      if (!take(name)) return;
    }
    const std::string next = next_link(answer.header("link"));
    if (next.empty()) return;
    const Url target = url.resolve(next);
    if (!target.same_origin(url) || target.text() == url.text()) return;
    url = target;
  }
}

/// Names of the catalogue that contain the term.
std::vector<Found> search_catalog(RegistryClient& client, const std::string& registry, const std::string& term,
                                  std::size_t limit) {
  std::vector<Found> found;
  walk_pages(client, client.url_of("_catalog").with_query("n", "1000"), "repositories", [&](const std::string& name) {
    if (name.contains(term)) found.push_back({registry + "/" + name, {}, 0, false});
    return found.size() < limit;
  });
  return found;
}

}  // namespace

std::vector<Found> search(const std::string& registry, const std::string& term, std::size_t limit) {
  const bool hub = registry == "docker.io";
  const std::string host = hub ? "index.docker.io" : registry;
  RegistryClient client({{host, {}, {}, {}}, is_insecure(load_registries_conf(), host)});
  const Url url = client.url_of("/v1/search").with_query("q", term).with_query("n", fmt::format("{}", limit));
  const HttpResponse answer = client.send({"GET", url, {}});
  if (answer.failure != HttpFailure::none || (hub && !answer.ok())) client.refuse(answer);
  if (!answer.ok()) return search_catalog(client, registry, term, limit);
  std::vector<Found> found = parse_search(answer.body);
  if (found.size() > limit) found.resize(limit);
  if (hub) return found;
  for (Found& one : found) one.name = registry + "/" + one.name;
  return found;
}

std::vector<Found> parse_search(const std::string& body) {
  const Json document = parse_json(body, "the search's answer");
  std::vector<Found> found;
  for (const Json& result : list_of(document, "results", "the search's answer")) {
    if (!result.is_object()) continue;
    Found one{text_of(result, "name"), text_of(result, "description"), 0, false};
    if (one.name.empty()) one.name = text_of(result, "repo_name");
    if (one.description.empty()) one.description = text_of(result, "short_description");
    const auto stars = result.find("star_count"), official = result.find("is_official");
    if (stars != result.end() && stars->is_number_unsigned()) one.stars = stars->get<std::uint64_t>();
    one.official = official != result.end() && official->is_boolean() && official->get<bool>();
    if (!one.name.empty()) found.push_back(std::move(one));
  }
  return found;
}

std::vector<std::string> list_tags(const Reference& repository) {
  RegistryClient client(endpoints_of(load_registries_conf(), repository).back());
  std::set<std::string> tags;
  walk_pages(client, client.url_of("tags/list").with_query("n", "1000"), "tags", [&](const std::string& tag) {
    if (tags.size() == kMostTags) {
      throw Error(fmt::format("{} has more than {} tags", repository.familiar_repository(), kMostTags));
    }
    tags.insert(tag);
    return true;
  });
  return {tags.begin(), tags.end()};
}

std::vector<std::string> parse_names(const std::string& body, const char* key) {
  const Json document = parse_json(body, "the registry's list");
  std::vector<std::string> names;
  for (const Json& name : list_of(document, key, "the registry's list")) {
    if (name.is_string()) names.push_back(name.get<std::string>());
  }
  return names;
}

std::string next_link(std::string_view header) {
  while (true) {
    const auto open = header.find('<');
    const auto close = header.find('>', open == std::string_view::npos ? 0 : open);
    if (open == std::string_view::npos || close == std::string_view::npos) return {};
    const auto end = std::min(header.find(',', close), header.size());
    const std::string_view target = header.substr(open + 1, close - open - 1),
                           parameters = header.substr(close, end - close);
    if (parameters.contains("rel=\"next\"") || parameters.contains("rel=next")) return std::string(target);
    header.remove_prefix(end);
  }
}

}  // namespace sandbox::image
