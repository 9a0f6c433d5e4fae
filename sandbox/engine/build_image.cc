// See build_image.h.
#include "sandbox/engine/build_image.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/build/lint.h"
#include "sandbox/build/squash_layer.h"
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

/// Nothing happens that could be shown.
class Silence : public BuildProgress {
  void notice(const std::string&) override {}
  void begun(std::size_t, const build::Vertex&) override {}
  void output(std::size_t, std::string_view) override {}
  void done(std::size_t, const build::Vertex&, bool) override {}
  void failed(std::size_t, const build::Vertex&) override {}
  void explained(const build::Vertex&, const std::vector<std::string>&) override {}
};

/// What `work` gives; its mistakes are told with their place in the Dockerfile.
auto in_dockerfile(const BuildContext& context, const auto& work) {
  try {
    return work();
  } catch (const build::Mistake& mistake) {
    throw build::located(mistake, context.file, context.text);
  }
}

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
    const Planned planned = plan(context, [&](const build::ImageOp& op) { return base_image(op).config_document; });
    for (const build::Warning& warning : planned.warnings) progress_.notice("WARNING: " + build::on_one_line(warning));
    refuse_warnings(planned);
    ImportedCaches imported(store_, request_.cache_from,
                            [&](const std::string& line) { progress_.notice("WARNING: " + line); });
    Executor executor(
        {places_, request_, context, contexts_, planned.graph, images_, imported, progress_, now_, held.path()});
    const std::vector<build::Files> results = build::solve(planned.graph, executor, parallel());
    steps_ = executor.records();
    BuiltImage built = put_out(planned.graph, results);
    export_caches(planned.graph, results);
    return built;
  }

  CheckedBuild check() {
    const image::Staged held = store_.stage();
    const BuildContext context = open_context(store_, request_);
    const Planned planned = plan(context, [&](const build::ImageOp& op) { return known_config(op); });
    CheckedBuild checked{context.file, context.text, planned.warnings};
    std::erase_if(checked.warnings, [](const build::Warning& warning) { return warning.rule.empty(); });
    return checked;
  }

  ListedTargets targets() {
    const image::Staged held = store_.stage();
    const BuildContext context = open_context(store_, request_);
    return {context.text, in_dockerfile(context, [&] {
              const build::Tree tree = build::parse_tree(context.text);
              return build::targets(tree, build::parse_dockerfile(tree));
            })};
  }

  OutlinedBuild outline() {
    const image::Staged held = store_.stage();
    const BuildContext context = open_context(store_, request_);
    const Planned planned = plan(context, [&](const build::ImageOp& op) { return known_config(op); });
    return {context.text, build::outline(planned.tree, planned.file, planned.graph, request_.target)};
  }

 private:
  void open_named_contexts() {
    for (const auto& [name, place] : request_.contexts) {
      if (!place.starts_with(kImageScheme)) contexts_.emplace(name, open_named_context(store_, place));
    }
  }

  struct Planned {
    build::Tree tree;
    build::Dockerfile file;
    build::Graph graph;
    std::vector<build::Warning> warnings;
    bool fails = false;  ///< When there are warnings of rules.
  };

  Planned plan(const BuildContext& context, const build::FindConfig& find_config) {
    build::GraphRequest wanted;
    wanted.build_args = request_.build_args;
    wanted.target = request_.target;
    wanted.architecture = image::host_architecture();
    for (const auto& [name, place] : request_.contexts)
      wanted.contexts[name] = place.starts_with(kImageScheme) ? place.substr(kImageScheme.size()) : "";
    return in_dockerfile(context, [&] {
      Planned planned{build::parse_tree(context.text), {}, {}, {}};
      planned.file = build::parse_dockerfile(planned.tree);
      const auto given = request_.build_args.find("BUILDKIT_DOCKERFILE_CHECK");
      const build::CheckOptions options =
          build::check_options(planned.tree, given == request_.build_args.end() ? std::string_view() : given->second);
      planned.graph = build::make_graph(planned.file, wanted, find_config);
      planned.warnings = build::lint(planned.tree, planned.graph, context.ignored, options);
      planned.fails = options.error;
      return planned;
    });
  }

  static void refuse_warnings(const Planned& planned) {
    std::set<std::string> rules;
    for (const build::Warning& warning : planned.warnings) {
      if (planned.fails && !warning.rule.empty()) rules.insert(warning.rule);
    }
    if (!rules.empty()) {
      throw InvalidInput(fmt::format("lint violation found for rules: {}", fmt::join(rules, ", ")),
                         "the Dockerfile's directive 'check' says error=true");
    }
  }

  Json known_config(const build::ImageOp& op) const {
    try {
      return store_.find(op.reference).config_document;
    } catch (const NotFound&) {
      return nullptr;
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

  /// The base image at the bottom of the result; none: FROM scratch.
  const image::Image* base_of(const build::Graph& graph) const {
    int at = graph.result;
    while (at >= 0 && graph.vertices[static_cast<std::size_t>(at)].parent >= 0) {
      at = graph.vertices[static_cast<std::size_t>(at)].parent;
    }
    if (at < 0) return nullptr;
    const auto* const op = std::get_if<build::ImageOp>(&graph.vertices[static_cast<std::size_t>(at)].op);
    return op == nullptr ? nullptr : &images_.at({op->reference, op->platform});
  }

  /// What this build has put on top of the base image as one layer.
  build::Files squashed(const build::Graph& graph, const build::Files& files) {
    const image::Image* const base = base_of(graph);
    const std::size_t below = base == nullptr ? 0 : base->layers.size(), added = files.layers.size() - below;
    StepFiles steps(places_);
    const std::vector<std::string> layers = steps.unpack(files);  // top-most first
    const auto write = [&](int file) {
      return decode_written(steps.as_root([&] {
        build::FileTree whole(layers, true),
            rest({layers.end() - static_cast<std::ptrdiff_t>(below), layers.end()}, true);
        return encode_written(build::write_squashed(whole, added, rest, file, steps.true_owners()));
      }));
    };
    const build::Layer layer = steps.make_layer(write, [&](const std::string& path) {
      progress_.notice(fmt::format("WARNING: '/{}' has no form in an image and is left out", path));
    });
    build::Files one = files;
    one.layers.resize(below);
    if (!layer.digest.empty()) one.layers.push_back(layer);
    squashed_ = Squashed{added, !layer.digest.empty()};
    return one;
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
      if (files == nullptr || !files->own_layer || squashed_) entry["empty_layer"] = true;
      lines.push_back(std::move(entry));
    }
    if (squashed_) {
      lines.push_back({{"comment", fmt::format("merge of {} layers", squashed_->layers)}});
      if (!created.empty()) lines.back()["created"] = created;
      if (!squashed_->is_layer) lines.back()["empty_layer"] = true;
    }
    return lines;
  }

  Json document_of(const build::Graph& graph, const std::vector<build::Files>& results) const {
    Json document = graph.document;
    for (const std::string& label : request_.labels) {
      const auto equals = label.find('=');
      if (equals == 0) throw UsageError(fmt::format("invalid label '{}': empty name", label));
      document["config"]["Labels"][label.substr(0, equals)] =
          equals == std::string::npos ? "" : label.substr(equals + 1);
    }
    const image::Image* const base = base_of(graph);
    document["history"] = history(graph, results, base == nullptr ? Json::object() : base->config_document);
    const std::string last = document["history"].empty() ? "" : document["history"].back().value("created", "");
    document["created"] = last.empty() ? format_time(now_.tv_sec) : last;
    document["rootfs"] = {{"type", "layers"}, {"diff_ids", Json::array()}};
    return document;
  }

  static build::Files result_of(const build::Graph& graph, const std::vector<build::Files>& results) {
    return graph.result < 0 ? build::Files() : results[static_cast<std::size_t>(graph.result)];
  }

  /// Those of which the image `files` has all layers.
  std::vector<image::StepRecord> steps_in(const build::Files& files) const {
    std::vector<image::StepRecord> found = steps_;
    std::erase_if(found, [&](const image::StepRecord& step) {
      return step.diff_ids.size() > files.layers.size() ||
             !std::ranges::equal(step.diff_ids, std::span(files.layers).first(step.diff_ids.size()), {}, {},
                                 &build::Layer::diff_id);
    });
    return found;
  }

  void export_caches(const build::Graph& graph, const std::vector<build::Files>& results) {
    const build::Files files = result_of(graph, results);
    for (const CachePlace& to : request_.cache_to) {
      if (to.type == CachePlace::Type::in_image) continue;
      image::LineProgress lines([&](const std::string& line) { progress_.notice(line); });
      try {
        export_cache(store_, to, to.all ? steps_ : steps_in(files), lines);
      } catch (const Error& error) {
        if (!to.may_fail) throw;
        progress_.notice(fmt::format("WARNING: the build cache {} was not written: {}", to.place, error.what()));
      }
    }
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
    const bool with_cache = std::ranges::any_of(
        request_.cache_to, [](const CachePlace& to) { return to.type == CachePlace::Type::in_image; });
    const std::string cache =
        with_cache ? image::inline_cache(steps_, document["rootfs"]["diff_ids"].get<std::vector<std::string>>()) : "";
    document.erase(image::inline_cache_member);  // the base image's
    if (!cache.empty()) document[image::inline_cache_member] = cache;
    return store_.write_documents(document, layers, request_.annotations);
  }

  BuiltImage put_out(const build::Graph& graph, const std::vector<build::Files>& results) {
    build::Files files = result_of(graph, results);
    if (request_.squash) files = squashed(graph, files);
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
  std::vector<image::StepRecord> steps_;  ///< What has been done, or found.
  struct Squashed {
    std::size_t layers = 0;
    bool is_layer = false;  ///< They change something.
  };
  std::optional<Squashed> squashed_;
  BaseImages images_;
  NamedContexts contexts_;
};

}  // namespace

CheckedBuild check_build(const Places& places, const BuildRequest& request) {
  Silence silence;
  return Build(places, request, silence).check();
}

ListedTargets list_targets(const Places& places, const BuildRequest& request) {
  Silence silence;
  return Build(places, request, silence).targets();
}

OutlinedBuild outline_build(const Places& places, const BuildRequest& request) {
  Silence silence;
  return Build(places, request, silence).outline();
}

BuiltImage build_image(const Places& places, const BuildRequest& request, BuildProgress& progress) {
  return Build(places, request, progress).run();
}

}  // namespace sandbox::engine
