// `inspect`, and the same for one kind of object: documents in Docker's shape, or what a template makes of them.
#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cli/cmd/network.h"
#include "sandbox/cli/cmd/volume.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/inspect_document.h"
#include "sandbox/cli/template/template.h"
#include "sandbox/container/volume_store.h"
#include "sandbox/engine/disk_usage.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

constexpr Option kFormat = {"format", 'f', "string", "Format output: 'json', or a Go template"};
constexpr Option kSize = {"size", 's', nullptr, "Display total file sizes if the type is container"};
constexpr Option kType = {"type", '\0', "string",
                          "Only inspect objects of the given type (container|image|network|volume)"};
constexpr Option kVerbose = {"verbose", 'v', nullptr, "Verbose output for diagnostics (there is no more)"};
constexpr Option kOptions[] = {kFormat, kSize, kType};
constexpr Option kContainerOptions[] = {kFormat, kSize};
constexpr Option kFormatOnly[] = {kFormat};
constexpr Option kNetworkOptions[] = {kFormat, kVerbose};

const image::Image* find_image(const image::ImageStore& store, const std::string& id, image::Image& found) {
  if (id.empty()) return nullptr;
  try {
    found = store.find(id);
    return &found;
  } catch (const Error&) {
    return nullptr;  // removed, or damaged: the container is still there
  }
}

OrderedJson container_document(const Places& places, const std::string& name, bool with_size) {
  const auto container = container::ContainerStore(places).find(name);
  image::Image found;
  const image::Image* image = find_image(image::ImageStore(places), container.spec.image_id, found);
  std::optional<ContainerSize> size;
  if (with_size) {
    const std::uint64_t own = engine::writable_bytes(places, container);
    size.emplace(own, own);
    for (const auto& layer : found.layers) size->with_image += layer.size;
  }
  return inspected(container, image, size);
}

OrderedJson image_document(const Places& places, const std::string& name) {
  const image::ImageStore store(places);
  const image::Image image = store.find(name);
  std::vector<std::string> names;
  for (const auto& other : store.list()) {
    if (other.id() == image.id() && !other.name.empty()) names.push_back(other.name);
  }
  return inspected(image, names, store.sizes({image}).front());
}

OrderedJson volume_document(const Places& places, const std::string& name) {
  const container::Volume volume = container::VolumeStore(places).find(name);
  return {{"CreatedAt", engine::format_time(volume.created)}, {"Driver", "local"},
          {"Labels", volume.labels.empty() ? OrderedJson(nullptr) : OrderedJson(volume.labels)},
          {"Mountpoint", volume.data()}, {"Name", volume.name}, {"Options", nullptr}, {"Scope", "local"}};
}

OrderedJson network_document(const Places& places, const std::string& name) {
  return inspected(find_network(container::NetworkStore(places), name), container::ContainerStore(places).list());
}

/// A kind of object that `inspect` knows.
struct Kind {
  std::string_view type;
  OrderedJson (*document)(const Places& places, const std::string& name, bool with_size);
};

// In Docker's order: of several objects of a name the first is meant.
constexpr Kind kKinds[] = {
    {"container", container_document},
    {"image", [](const Places& places, const std::string& name, bool) { return image_document(places, name); }},
    {"network", [](const Places& places, const std::string& name, bool) { return network_document(places, name); }},
    {"volume", [](const Places& places, const std::string& name, bool) { return volume_document(places, name); }},
};

/// Without a type: of the first kind that has something of this name.
OrderedJson document_of(const Places& places, const std::string& type, const std::string& name, bool with_size) {
  for (const Kind& kind : kKinds) {
    if (kind.type == type) return kind.document(places, name, with_size);
    if (!type.empty()) continue;
    try {
      return kind.document(places, name, with_size);
    } catch (const NotFound&) {
    } catch (const UsageError&) {
      // No image can have this name, but others may.
    }
  }
  throw NotFound(fmt::format("no such object: {}", name));
}

/// What is printed for each document, and around them all.
class Output {
 public:
  explicit Output(const std::string& format) : lines_(format.empty() || format == "json") {
    if (lines_)
      indent_ = format.empty() ? 4 : -1;
    else
      template_.emplace(format);
  }

  void add(OrderedJson document) {
    if (lines_) return documents_.push_back(std::move(document));
    const templates::Options options{.missing_is_error = true, .types = inspected_types(), .shown = without_controls};
    text_ += template_->execute(templates::Value::of(document), options) + "\n";
  }

  std::string text() const {
    if (lines_) return json_for_terminals(documents_, indent_) + "\n";
    return text_.empty() ? "\n" : text_;
  }

 private:
  bool lines_;
  int indent_ = 4;
  std::optional<templates::Template> template_;
  OrderedJson documents_ = OrderedJson::array();
  std::string text_;
};

int inspect(const Arguments& arguments, const std::string& type) {
  constexpr int kBadTemplate = 64;  // Docker's own status, EX_USAGE of sysexits.h
  std::optional<Output> output;
  try {
    output.emplace(arguments.text("format"));
  } catch (const InvalidInput& error) {
    print_error(fmt::format("template parsing error: {}", error.what()));
    return kBadTemplate;
  }
  const Places places = find_places();
  int status = 0;
  const auto refuse = [&](const std::string& message, const std::string& hint) {
    print_error(message, hint);
    status = 1;
  };
  for (const auto& name : arguments.positional) {
    OrderedJson document;
    try {
      document = document_of(places, type, name, arguments.flag("size"));
    } catch (const Error& error) {
      refuse(error.what(), error.hint());
      continue;
    }
    try {
      output->add(std::move(document));
    } catch (const InvalidInput& error) {
      refuse(fmt::format("template parsing error: {}", error.what()), {});
    }
  }
  print(output->text());
  return status;
}

int run(const Arguments& arguments) {
  const std::string type = arguments.text("type");
  if (!type.empty() && std::ranges::find(kKinds, type, &Kind::type) == std::end(kKinds)) {
    throw UsageError(fmt::format("\"{}\" is not a valid value for --type", type),
                     "types: container, image, network, volume");
  }
  return inspect(arguments, type);
}

}  // namespace

const Command kInspect{"inspect", "inspect [OPTIONS] NAME|ID [NAME|ID...]",
                       "Return low-level information on containers, images, networks and volumes", kOptions, run, 1};
const Command kContainerInspect{"container inspect", "container inspect [OPTIONS] CONTAINER [CONTAINER...]",
                                "Display detailed information on one or more containers", kContainerOptions,
                                [](const Arguments& arguments) { return inspect(arguments, "container"); }, 1};
const Command kImageInspect{"image inspect", "image inspect [OPTIONS] IMAGE [IMAGE...]",
                            "Display detailed information on one or more images", kFormatOnly,
                            [](const Arguments& arguments) { return inspect(arguments, "image"); }, 1};
const Command kNetworkInspect{"network inspect", "network inspect [OPTIONS] NETWORK [NETWORK...]",
                              "Display detailed information on one or more networks", kNetworkOptions,
                              [](const Arguments& arguments) { return inspect(arguments, "network"); }, 1};
const Command kVolumeInspect{"volume inspect", "volume inspect [OPTIONS] VOLUME [VOLUME...]",
                             "Display detailed information on one or more volumes", kFormatOnly,
                             [](const Arguments& arguments) { return inspect(arguments, "volume"); }, 1};

}  // namespace sandbox::cli
