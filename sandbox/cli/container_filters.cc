// See container_filters.h. Pure, but for the last.
#include "sandbox/cli/container_filters.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <span>

#include "sandbox/base/error.h"
#include "sandbox/cli/container_listing.h"
#include "sandbox/cli/shown_network.h"
#include "sandbox/cli/table.h"
#include "sandbox/container/restart_policy.h"
#include "sandbox/engine/ports.h"
#include "sandbox/engine/shared_namespaces.h"

namespace sandbox::cli {
namespace {

using container::Entry;

bool begins(const std::string& text, const std::string& prefix) { return !prefix.empty() && text.starts_with(prefix); }

/// Position of a container that is named by name, id or the beginning of it.
std::size_t position_of(const std::vector<Entry>& all, const std::string& reference) {
  const auto named = std::ranges::find_if(all, [&](const Entry& one) { return one.spec.name == reference; });
  if (named != all.end()) return static_cast<std::size_t>(named - all.begin());
  const auto meant = std::ranges::find_if(all, [&](const Entry& one) { return begins(one.spec.id, reference); });
  if (meant == all.end()) throw NotFound(fmt::format("No such container: {}", reference));
  return static_cast<std::size_t>(meant - all.begin());
}

void check_words(const Filters& filters, const std::string& name, std::span<const std::string_view> words) {
  for (const auto& word : filters.values(name)) {
    if (std::ranges::find(words, word) == words.end())
      throw UsageError(fmt::format("invalid filter '{}={}'", name, word));
  }
}

void check_words(const Filters& filters) {
  static constexpr std::string_view states[] = {"created",  "dead",       "exited", "paused",
                                                "removing", "restarting", "running"};
  static constexpr std::string_view health[] = {"healthy", "none", "starting", "unhealthy"};
  check_words(filters, "status", states);
  check_words(filters, "health", health);
}

int exit_code(const std::string& text) {
  int code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (error != std::errc{} || end != text.data() + text.size())
    throw UsageError(fmt::format("invalid filter 'exited={}'", text));
  return code;
}

bool has_exited_with(const Entry& one, const std::string& text) {
  return one.state.status == container::Status::exited && one.state.exit_code == exit_code(text);
}

/// Ports "80", "80/udp", "8000-8010" of the container's own side.
bool publishes(const Entry& one, const std::string& text) {
  const auto wanted = engine::parse_publish(text);
  return std::ranges::any_of(one.spec.ports, [&](const container::PublishedPort& port) {
    return std::ranges::any_of(wanted, [&](const container::PublishedPort& other) {
      return port.container_port == other.container_port && port.udp == other.udp;
    });
  });
}

const image::Image* image_of(const FilterContext& context, const Entry& one) {
  const auto found =
      std::ranges::find_if(context.images, [&](const auto& image) { return image.id() == one.spec.image_id; });
  return found == context.images.end() ? nullptr : &*found;
}

bool exposes(const Entry& one, const std::string& text) {
  if (publishes(one, text)) return true;
  return std::ranges::any_of(engine::parse_publish(text), [&](const container::PublishedPort& wanted) {
    return std::ranges::find(one.spec.exposed, engine::port_name(wanted)) != one.spec.exposed.end();
  });
}

bool has_mounted(const Entry& one, const std::string& text) {
  return std::ranges::any_of(one.spec.mounts, [&](const container::MountPoint& point) {
    return point.name == text || point.source == text || point.destination == text;
  });
}

/// "container:NAME" as listings have it.
std::string named_by_id(const std::vector<Entry>& all, const std::string& text) {
  constexpr std::string_view prefix = "container:";
  if (!text.starts_with(prefix)) return text;
  try {
    return std::string(prefix) + all[position_of(all, text.substr(prefix.size()))].spec.id;
  } catch (const NotFound&) {
    return text;  // it may have been removed
  }
}

bool is_on_network(const FilterContext& context, const Entry& one, const std::string& text) {
  if (engine::names_container(text)) return named_by_id(context.all, text) == one.spec.network;
  const auto names = network_names(one.spec);
  const std::string meant = text == "private" || text == "default" ? "bridge" : text;
  return std::ranges::find(names, meant) != names.end() ||
         std::ranges::any_of(one.spec.attachments, [&](const container::Attachment& other) {
           return !text.empty() && other.network.starts_with(text);
         });
}

/// The image itself, or one that was made on top of it: its layers begin with all of the other's.
bool descends(const image::Image& image, const image::Image& ancestor) {
  if (image.id() == ancestor.id()) return true;
  return ancestor.diff_ids.size() < image.diff_ids.size() && !ancestor.diff_ids.empty() &&
         std::equal(ancestor.diff_ids.begin(), ancestor.diff_ids.end(), image.diff_ids.begin());
}

bool names(const image::Image& image, const std::string& text) {
  if (begins(image.id(), text) || begins(short_id(image.id()), text) || begins(std::string(hex_of(image.id())), text))
    return true;
  try {
    const image::Reference wanted = image::parse_reference(text);
    return !image.name.empty() &&
           (image.name == wanted.canonical() || (!wanted.digest.empty() && image.manifest.digest == wanted.digest));
  } catch (const UsageError&) {
    return false;
  }
}

bool comes_from(const FilterContext& context, const Entry& one, const std::string& text) {
  const image::Image* own = image_of(context, one);
  if (own == nullptr) return one.spec.image == text || begins(one.spec.image_id, text);
  return std::ranges::any_of(context.images,
                             [&](const auto& image) { return names(image, text) && descends(*own, image); });
}

bool has_health(const Entry& one, const std::string& text) {
  const std::string health = health_word(status_cell(one.state, one.state.started));
  return text == (health.empty() ? "none" : health);
}

std::string_view restart_word(const Entry& one) {
  return words_of(one.spec.restart.when)[static_cast<std::size_t>(one.spec.restart.when)];
}

bool starts_on_boot(const Entry& one) { return container::should_start_on_boot(one.spec.restart, one.state); }

bool is_yes(const std::string& name, const std::string& text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  throw UsageError(fmt::format("invalid filter '{}={}'", name, text));
}

bool fits(const Filters& filters, const FilterContext& context, const Entry& one) {
  const std::string slashed = "/" + one.spec.name;
  return filters.any("id", [&](const auto& value) { return begins(one.spec.id, value); }) &&
         filters.any("name",
                     [&](const auto& value) { return is_found(value, one.spec.name) || is_found(value, slashed); }) &&
         filters.labels_fit(one.spec.labels) &&
         filters.any("status", [&](const auto& value) { return value == state_word(one.state); }) &&
         filters.any("exited", [&](const auto& value) { return has_exited_with(one, value); }) &&
         filters.any("publish", [&](const auto& value) { return publishes(one, value); }) &&
         filters.any("expose", [&](const auto& value) { return exposes(one, value); }) &&
         filters.any("volume", [&](const auto& value) { return has_mounted(one, value); }) &&
         filters.any("network", [&](const auto& value) { return is_on_network(context, one, value); }) &&
         filters.any("ancestor", [&](const auto& value) { return comes_from(context, one, value); }) &&
         filters.any("restart-policy", [&](const auto& value) { return value == restart_word(one); }) &&
         filters.any("should-start-on-boot",
                     [&](const auto& value) { return is_yes("should-start-on-boot", value) == starts_on_boot(one); }) &&
         filters.any("health", [&](const auto& value) { return has_health(one, value); });
}

}  // namespace

bool asks_for_all(const Filters& filters) { return !filters.values("status").empty(); }

std::vector<Entry> filtered(const Filters& filters, const FilterContext& context) {
  check_words(filters);
  for (const auto& text : filters.values("exited")) (void)exit_code(text);
  std::size_t first = 0, last = context.all.size();  // newest first: "before" one are those behind it
  for (const auto& reference : filters.values("before"))
    first = std::max(first, position_of(context.all, reference) + 1);
  for (const auto& reference : filters.values("since")) last = std::min(last, position_of(context.all, reference));
  std::vector<Entry> passed;
  for (std::size_t i = first; i < last; ++i) {
    if (fits(filters, context, context.all[i])) passed.push_back(context.all[i]);
  }
  return passed;
}

std::vector<Entry> filtered(const Filters& filters, const Places& places) {
  FilterContext context{container::ContainerStore(places).entries_swept(), {}};
  std::erase_if(context.all, [](const auto& one) { return one.spec.owner.pid != 0; });
  if (!filters.values("ancestor").empty()) context.images = image::ImageStore(places).list();
  return filtered(filters, context);
}

}  // namespace sandbox::cli
