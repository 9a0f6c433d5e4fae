#include "sandbox/image/registry_referrers.h"

#include <algorithm>

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/registry_search.h"

namespace sandbox::image {
namespace {

constexpr std::size_t kMostPages = 100, kMostReferrers = 10'000;

Json empty_index() { return {{"schemaVersion", 2}, {"mediaType", media_index}, {"manifests", Json::array()}}; }

/// The checked entries of a list.
Json entries_of(const std::string& body) {
  return reading_document("the list of referrers", [&] {
    const Json document = parse_json(body, "the list of referrers");
    if (document.value("mediaType", media_index) != media_index)
      throw InvalidInput("the list of referrers is no index");
    Json entries = document.at("manifests").get_ref<const Json::array_t&>();
    for (const Json& entry : entries) (void)parse_descriptor(entry, "the list of referrers");
    return entries;
  });
}

/// What the tag has; none when there is no such tag.
std::optional<Json> tagged_entries(RegistryClient& client, const std::string& digest) {
  const HttpResponse answer =
      client.get("manifests/" + referrers_tag(digest), {fmt::format("Accept: {}", media_index)});
  return answer.ok() ? std::optional(entries_of(answer.body)) : std::nullopt;
}

}  // namespace

std::string referrers_tag(const std::string& digest) {
  return fmt::format("{}-{}", name_of(algorithm_of(digest)), hex_of(digest).substr(0, 64));
}

Json referrer_entry(const Descriptor& pushed, const Json& document) {
  Json entry = descriptor_json(pushed);
  std::string type = document.value("artifactType", "");
  if (type.empty() && document.contains("config")) type = document.at("config").value("mediaType", "");
  if (!type.empty()) entry["artifactType"] = type;
  if (document.contains("annotations")) entry["annotations"] = document.at("annotations");
  return entry;
}

void enter_referrer(RegistryClient& client, const HttpResponse& answer, const Descriptor& pushed,
                    const Json& document) {
  if (!document.contains("subject") || !answer.header("oci-subject").empty()) return;
  const std::string what = fmt::format("manifest {}", pushed.digest);
  reading_document(what, [&] {
    const Descriptor subject = parse_descriptor(document.at("subject"), what);
    Json index = empty_index();
    if (auto known = tagged_entries(client, subject.digest)) index["manifests"] = std::move(*known);
    const auto same = [&](const Json& entry) { return entry.at("digest") == pushed.digest; };
    if (std::ranges::any_of(index["manifests"], same)) return;
    index["manifests"].push_back(referrer_entry(pushed, document));
    const std::string text = index.dump();
    if (text.size() > max_document) throw Error(fmt::format("too much refers to {}", subject.digest));
    const HttpBody body = text_body(text);
    const HttpResponse put = client.send({"PUT", client.url_of("manifests/" + referrers_tag(subject.digest)),
                                          {fmt::format("Content-Type: {}", media_index)}, &body});
    if (!put.ok()) client.refuse(put);
  });
}

Json list_referrers(RegistryClient& client, const std::string& digest, const std::string& artifact_type) {
  Json index = empty_index();
  Json& entries = index["manifests"];
  Url url = client.url_of("referrers/" + digest);
  if (!artifact_type.empty()) url = url.with_query("artifactType", artifact_type);
  for (std::size_t page = 0; page < kMostPages; ++page) {
    const HttpResponse answer = client.send({"GET", url, {fmt::format("Accept: {}", media_index)}});
    if (answer.failure == HttpFailure::none && answer.status == 404) {
      if (auto tagged = tagged_entries(client, digest)) entries = std::move(*tagged);
      break;
    }
    if (!answer.ok()) client.refuse(answer);
    for (Json& entry : entries_of(answer.body)) entries.push_back(std::move(entry));
    if (entries.size() > kMostReferrers) throw Error(fmt::format("too much refers to {}", digest));
    const std::string next = next_link(answer.header("link"));
    if (next.empty()) break;
    const Url target = url.resolve(next);
    if (!target.same_origin(url) || target.text() == url.text()) break;
    url = target;
  }
  if (!artifact_type.empty()) {
    const auto other = [&](const Json& entry) { return entry.value("artifactType", "") != artifact_type; };
    std::erase_if(entries.get_ref<Json::array_t&>(), other);
  }
  return index;
}

}  // namespace sandbox::image
