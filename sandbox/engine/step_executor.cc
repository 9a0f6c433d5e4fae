// See step_executor.h.
//
// A step's key is a digest of what it does, of the layers that it comes on top of, and of the content that it selects:
// not of times, names of stages, secrets or proxies. A step that was done again and came to the same layer leaves the
// keys behind it as they were.
#include "sandbox/engine/step_executor.h"

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/engine/copy_step.h"
#include "sandbox/engine/lifecycle.h"
#include "sandbox/engine/run_step.h"
#include "sandbox/engine/step_worker.h"
#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

constexpr const char* kKeyVersion = "1";  // raise it when a step of the same definition comes to something else

Json encode(const build::Layer& layer) {
  return {{"media_type", layer.media_type}, {"digest", layer.digest}, {"diff_id", layer.diff_id}, {"size", layer.size}};
}

build::Layer decode(const std::string& text) {
  const Json json = parse_json(text, "a step's answer");
  return {json.at("media_type"), json.at("digest"), json.at("diff_id"), json.at("size")};
}

build::Files with_layer(const build::Files& base, const build::Layer& layer, const std::string& created) {
  build::Files files = base;
  files.own_layer = !layer.digest.empty();
  files.created = created;
  if (files.own_layer) files.layers.push_back(layer);
  return files;
}

build::Files files_of(const image::Image& image) {
  build::Files files;
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const image::Descriptor& layer = image.layers[i];
    files.layers.push_back({layer.media_type, layer.digest, image.diff_ids.at(i), layer.size});
  }
  return files;
}

/// Inputs of a vertex, apart from the first when that is its parent.
std::size_t first_other(const build::Vertex& vertex) { return vertex.parent == build::kScratch ? 0 : 1; }

}  // namespace

/// A step in its process.
class Executor::Step : public build::RunningStep {
 public:
  Step(Executor& executor, std::size_t number, const Inputs& inputs)
      : executor_(executor),
        number_(number),
        base_(executor.vertex(number).parent == build::kScratch ? build::Files() : *inputs.at(0)),
        container_id_(random_hex(64)),
        worker_(
            std::in_place,
            [&executor, number, inputs, id = container_id_] {
              return encode(executor.work(number, inputs, id)).dump();
            },
            [this](std::string_view text) { executor_.setting_.progress.output(number_, text); }) {}

  ~Step() override {
    if (done_) return;
    worker_.reset();
    try {
      force_remove(executor_.setting_.places, container_id_);
    } catch (const std::exception&) {
      // its process is gone, so the next sweep takes it
    }
  }

  int fd() const override { return worker_->fd(); }

  std::optional<build::Files> advance() override {
    try {
      const auto answer = worker_->advance();
      if (!answer) return {};
      done_ = true;
      return finish(decode(*answer));
    } catch (const Error& error) {
      executor_.setting_.progress.failed(number_, executor_.vertex(number_));
      throw executor_.failure(number_, error);
    }
  }

 private:
  build::Files finish(const build::Layer& layer) {
    const BuildSetting& setting = executor_.setting_;
    build::Files files = with_layer(base_, layer, format_time(setting.now.tv_sec));
    image::StepRecord record{
        executor_.keys_.at(number_), executor_.vertex(number_).title, files.created, {}, {}, files.own_layer, 0};
    for (const build::Layer& one : files.layers) {
      record.layers.push_back({one.media_type, one.digest, one.size});
      record.diff_ids.push_back(one.diff_id);
    }
    executor_.records_.keep(record);
    setting.progress.done(number_, executor_.vertex(number_), false);
    return files;
  }

  Executor& executor_;
  std::size_t number_;
  build::Files base_;
  std::string container_id_;
  bool done_ = false;
  std::optional<StepWorker> worker_;
};

Executor::Executor(const BuildSetting& setting) : setting_(setting), files_(setting.places), records_(setting.places) {}

StepFailure Executor::failure(std::size_t number, const Error& error) const {
  const build::Vertex& what = vertex(number);
  const BuildContext& context = setting_.context;
  return StepFailure(fmt::format("{}:{}: failed to solve: {}\n{}", context.file, what.place.line, error.what(),
                                 build::excerpt(context.text, what.place.line, what.last_line)),
                     error.hint());
}

bool Executor::may_recall(std::size_t number) const {
  if (setting_.request.no_cache) return false;
  const std::string& title = vertex(number).title;
  return std::ranges::none_of(setting_.request.no_cache_stages,
                              [&](const std::string& stage) { return title.starts_with("[" + stage + " "); });
}

/// What the context or another vertex brings in, as a digest.
std::string Executor::content_of(const build::Op& op, const Inputs& inputs, bool has_parent) {
  static const build::Files nothing;
  if (const auto* const copy = std::get_if<build::CopyOp>(&op)) {
    const build::Files* const source = copy->source < 0 ? nullptr : inputs.at(has_parent ? 1 : 0);
    return selected_digest(files_, {*copy, has_parent ? *inputs[0] : nothing, source, setting_.context, {}});
  }
  std::string all;
  if (const auto* const run = std::get_if<build::RunOp>(&op)) {
    std::size_t input = has_parent ? 1 : 0;
    for (const build::StepMount& mount : run->mounts) {
      if (mount.input >= 0) {
        for (const build::Layer& layer : inputs.at(input)->layers) all += layer.diff_id;
        ++input;
      } else if (mount.type == build::StepMountType::bind) {
        all += context_digest(files_, setting_.context, mount.source);
      }
    }
  }
  return all;
}

std::string Executor::key_of(std::size_t number, const Inputs& inputs) {
  const build::Vertex& what = vertex(number);
  const bool has_parent = what.parent != build::kScratch;
  Json parts = {{"version", kKeyVersion},
                {"definition", build::definition(what.op)},
                {"base", Json::array()},
                {"content", content_of(what.op, inputs, has_parent)}};
  for (const build::Layer& layer : has_parent ? inputs.at(0)->layers : std::vector<build::Layer>()) {
    parts["base"].push_back(layer.diff_id);
  }
  return sha256_digest(parts.dump(-1, ' ', false, Json::error_handler_t::replace)).substr(7);
}

std::optional<build::Files> Executor::recall(std::size_t number, const Inputs& inputs) {
  const build::Vertex& what = vertex(number);
  if (const auto* const op = std::get_if<build::ImageOp>(&what.op)) {
    setting_.progress.done(number, what, true);
    return files_of(setting_.images.at({op->reference, op->platform}));
  }
  try {
    keys_[number] = key_of(number, inputs);
  } catch (const Error& error) {
    throw failure(number, error);
  }
  if (!may_recall(number)) return {};
  const auto record = records_.find(keys_[number]);
  if (!record) return {};
  build::Files files{.layers = {}, .own_layer = record->own_layer, .created = record->created};
  for (std::size_t i = 0; i < record->layers.size(); ++i) {
    const image::Descriptor& layer = record->layers[i];
    if (!files_.store().has_blob(layer.digest)) return {};
    files.layers.push_back({layer.media_type, layer.digest, record->diff_ids[i], layer.size});
  }
  setting_.progress.done(number, what, true);
  return files;
}

std::unique_ptr<build::RunningStep> Executor::start(std::size_t number, const Inputs& inputs) {
  setting_.progress.begun(number, vertex(number));
  return std::make_unique<Step>(*this, number, inputs);
}

/// In the step's process.
build::Layer Executor::work(std::size_t number, const Inputs& inputs, const std::string& container_id) {
  const build::Vertex& what = vertex(number);
  const std::size_t others = first_other(what);
  const build::Files nothing;
  const build::Files& base = others == 0 ? nothing : *inputs.at(0);
  if (const auto* const copy = std::get_if<build::CopyOp>(&what.op)) {
    return copy_step(files_,
                     {*copy, base, copy->source < 0 ? nullptr : inputs.at(others), setting_.context, setting_.now});
  }
  if (const auto* const directory = std::get_if<build::DirectoryOp>(&what.op)) {
    return directory_step(files_, *directory, base, setting_.now);
  }
  const Inputs mounted(inputs.begin() + static_cast<std::ptrdiff_t>(others), inputs.end());
  const auto& run = std::get<build::RunOp>(what.op);
  return run_step(setting_.places, files_, {run, base, mounted, setting_.request, setting_.context, container_id});
}

}  // namespace sandbox::engine
