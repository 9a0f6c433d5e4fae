// See build_image.h.
#include "sandbox/engine/build_image.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/engine/build_context.h"
#include "sandbox/engine/step_executor.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/registry.h"
#include "sandbox/image/registry_push.h"

namespace sandbox::engine {
namespace {

/// SOURCE_DATE_EPOCH, or now (reproducible-builds.org/specs/source-date-epoch).
timespec time_of_build(const BuildRequest& request) {
  const auto given = request.build_args.find("SOURCE_DATE_EPOCH");
  const char* const variable = ::getenv("SOURCE_DATE_EPOCH");
  const std::string text = given != request.build_args.end() ? given->second : variable == nullptr ? "" : variable;
  if (text.empty()) return {::time(nullptr), 0};
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 0) {
    throw UsageError(fmt::format("invalid SOURCE_DATE_EPOCH: {}", text));
  }
  return {seconds, 0};
}

constexpr std::string_view kImageScheme = "docker-image://";

class Build {
 public:
  Build(const Places& places, const BuildRequest& request, BuildProgress& progress)
      : places_(places), request_(request), progress_(progress), store_(places), now_(time_of_build(request)) {
    for (const std::string& tag : request.tags) names_.push_back(image::parse_reference(tag));
    for (const image::Reference& name : names_) {
      if (!name.digest.empty())
        throw UsageError(fmt::format("invalid tag \"{}\": a digest can't be given", name.familiar()));
    }
  }

  BuiltImage run() {
    const image::Staged held = store_.stage();  // while it lives no blob is garbage
    const BuildContext context = open_context(store_, request_);
    open_named_contexts();
    const build::Graph graph = plan(context);
    for (const std::string& warning : graph.warnings) progress_.notice("WARNING: " + warning);
    Executor executor({places_, request_, context, contexts_, graph, images_, progress_, now_});
    const std::vector<build::Files> results = build::solve(graph, executor, parallel());
    return put_out(graph, results);
  }

 private:
  void open_named_contexts() {
    for (const auto& [name, place] : request_.contexts) {
      if (!place.starts_with(kImageScheme)) contexts_.emplace(name, open_named_context(store_, place));
    }
  }

  build::Graph plan(const BuildContext& context) {
    try {
      build::GraphRequest wanted;
      wanted.build_args = request_.build_args;
      wanted.target = request_.target;
      wanted.architecture = image::host_architecture();
      for (const auto& [name, place] : request_.contexts)
        wanted.contexts[name] = place.starts_with(kImageScheme) ? place.substr(kImageScheme.size()) : "";
      const build::Dockerfile file = build::parse_dockerfile(context.text);
      return build::make_graph(file, wanted, [&](const build::ImageOp& op) { return base_image(op).config_document; });
    } catch (const build::Mistake& mistake) {
      throw build::located(mistake, context.file, context.text);
    }
  }

  const image::Image& base_image(const build::ImageOp& op) {
    const std::pair key{op.reference, op.platform};
    if (const auto known = images_.find(key); known != images_.end()) return known->second;
    const image::Reference reference = image::parse_reference(op.reference);
    const auto pull = [&] {
      const std::string platform = op.platform.empty() ? request_.platform : op.platform;
      image::LineProgress lines([&](const std::string& line) { progress_.notice(line); });
      image::pull(store_, reference, {.platform = platform, .progress = &lines});
    };
    if (request_.pull) pull();
    image::Image found;
    try {
      found = store_.find(op.reference);
    } catch (const NotFound&) {
      pull();
      found = store_.find(op.reference);
    }
    store_.adopt_image(found);
    return images_.emplace(key, std::move(found)).first->second;
  }

  std::size_t parallel() const {
    if (request_.parallel != 0) return request_.parallel;
    return static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
  }

  /// The base image's history, and a line for each instruction. What has no time of its own has that of the step
  /// before.
  Json history(const build::Graph& graph, const std::vector<build::Files>& results, const Json& base) const {
    Json lines = base.contains("history") && base["history"].is_array() ? base["history"] : Json::array();
    std::string created = base.value("created", "");
    for (const build::HistoryLine& line : graph.history) {
      Json entry = {{"created_by", line.created_by}, {"comment", "buildkit.dockerfile.v0"}};
      const build::Files* const files = line.vertex < 0 ? nullptr : &results[static_cast<std::size_t>(line.vertex)];
      if (files != nullptr) created = files->created;
      if (!created.empty()) entry["created"] = created;
      if (files == nullptr || !files->own_layer) entry["empty_layer"] = true;
      lines.push_back(std::move(entry));
    }
    return lines;
  }

  /// The base image's document of the stage that the result is from; null for FROM scratch.
  Json base_document(const build::Graph& graph) const {
    int at = graph.result;
    while (at >= 0 && graph.vertices[static_cast<std::size_t>(at)].parent >= 0) {
      at = graph.vertices[static_cast<std::size_t>(at)].parent;
    }
    if (at < 0) return Json::object();
    const auto* const op = std::get_if<build::ImageOp>(&graph.vertices[static_cast<std::size_t>(at)].op);
    return op == nullptr ? Json::object() : images_.at({op->reference, op->platform}).config_document;
  }

  Json document_of(const build::Graph& graph, const std::vector<build::Files>& results) const {
    Json document = graph.document;
    for (const std::string& label : request_.labels) {
      const auto equals = label.find('=');
      if (equals == 0) throw UsageError(fmt::format("invalid label '{}': empty name", label));
      document["config"]["Labels"][label.substr(0, equals)] =
          equals == std::string::npos ? "" : label.substr(equals + 1);
    }
    document["history"] = history(graph, results, base_document(graph));
    const std::string last = document["history"].empty() ? "" : document["history"].back().value("created", "");
    document["created"] = last.empty() ? format_time(now_.tv_sec) : last;
    document["rootfs"] = {{"type", "layers"}, {"diff_ids", Json::array()}};
    return document;
  }

  /// Config and manifest are in the store, without a name.
  image::Image write_image(const build::Graph& graph, const std::vector<build::Files>& results,
                           const build::Files& files) {
    Json document = document_of(graph, results);
    std::vector<image::Descriptor> layers;
    for (const build::Layer& layer : files.layers) {
      document["rootfs"]["diff_ids"].push_back(layer.diff_id);
      layers.push_back({layer.media_type, layer.digest, layer.size});
    }
    return store_.write_documents(document, layers, request_.annotations);
  }

  BuiltImage put_out(const build::Graph& graph, const std::vector<build::Files>& results) {
    const build::Files files = graph.result < 0 ? build::Files() : results[static_cast<std::size_t>(graph.result)];
    const std::vector<BuildOutput> outputs = request_.outputs.empty() ? std::vector<BuildOutput>(1) : request_.outputs;
    BuiltImage built{.id = {}, .manifest = {}, .names = names_};
    std::optional<image::Image> image;
    if (!std::ranges::all_of(outputs, &BuildOutput::is_files)) {
      image = write_image(graph, results, files);
      built.id = image->id();
      built.manifest = image->manifest;
    }
    for (const BuildOutput& output : outputs) {
      if (output.is_files()) {
        StepFiles tree(places_);
        write_files(tree, files, output, [&](const std::string& line) { progress_.notice("WARNING: " + line); });
      } else {
        put_out_image(*image, output, built);
      }
    }
    return built;
  }

  void put_out_image(const image::Image& image, const BuildOutput& output, BuiltImage& built) {
    std::vector<image::Reference> names = names_;
    for (const std::string& name : output.names) names.push_back(image::parse_reference(name));
    if (!output.destination.empty()) return write_image_archive(image, names, output);
    if (names.empty()) store_.record(image.manifest, {});
    for (const image::Reference& name : names) store_.record(image.manifest, name);
    built.names = names;
    if (!output.push) return;
    if (names.empty()) throw UsageError("tag is needed when pushing to registry");
    image::LineProgress lines([&](const std::string& line) { progress_.notice(line); });
    for (const image::Reference& name : names)
      image::push(store_, {image.layout, name.canonical(), image.manifest}, name, lines);
  }

  const Places& places_;
  const BuildRequest& request_;
  BuildProgress& progress_;
  image::ImageStore store_;
  timespec now_;
  std::vector<image::Reference> names_;
  BaseImages images_;
  NamedContexts contexts_;
};

}  // namespace

BuiltImage build_image(const Places& places, const BuildRequest& request, BuildProgress& progress) {
  return Build(places, request, progress).run();
}

}  // namespace sandbox::engine
