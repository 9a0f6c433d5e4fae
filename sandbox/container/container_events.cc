// See container_events.h.
#include "sandbox/container/container_events.h"

#include "sandbox/base/events.h"

namespace sandbox::container {

void record_container_event(const Places& places, const SpecHead& spec, const std::string& action,
                            const std::map<std::string, std::string>& more) {
  if (spec.owner.pid != 0) return;
  Event event{"container", action, spec.id, more, 0};
  event.attributes.emplace("image", spec.image);
  event.attributes.emplace("name", spec.name);
  event.attributes.insert(spec.labels.begin(), spec.labels.end());
  record_event(places.data, std::move(event));
}

}  // namespace sandbox::container
