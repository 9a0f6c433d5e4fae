// See step_executor.h.
//
// A step's key is a digest of what it does, of the layers that it comes on top of, and of the content that it selects:
// not of times, names of stages, secrets or proxies. A step that was done again and came to the same layer leaves the
// keys behind it as they were.
#include "sandbox/engine/step_executor.h"

#include <algorithm>

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/build/remote_source.h"
#include "sandbox/engine/copy_step.h"
#include "sandbox/engine/lifecycle.h"
#include "sandbox/engine/run_step.h"
#include "sandbox/engine/step_worker.h"
#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

constexpr const char* kKeyVersion = "2";  // raise it when a step of the same definition comes to something else

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

/// What will come is known before it is here.
std::optional<build::Files> known_fetch(const build::FetchOp& op) {
  if (op.checksum.empty() || build::is_git_url(op.url)) return {};
  return build::Files{.layers = {}, .fetched = build::Fetched{op, op.checksum, ""}};
}

std::string key_of(const build::StepInputs& inputs) {
  Json parts = build::to_json(inputs);
  parts["version"] = kKeyVersion;
  return sha256_digest(parts.dump(-1, ' ', false, Json::error_handler_t::replace)).substr(7);
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
              const auto* const fetch = std::get_if<build::FetchOp>(&executor.vertex(number).op);
              if (fetch != nullptr) return executor.fetch_work(*fetch, executor.fetched_.back()->path());
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
      return finish(*answer);
    } catch (const Error& error) {
      executor_.setting_.progress.failed(number_, executor_.vertex(number_));
      throw executor_.failure(number_, error);
    }
  }

 private:
  build::Files finish(const std::string& answer) {
    const BuildSetting& setting = executor_.setting_;
    if (const auto* const op = std::get_if<build::FetchOp>(&executor_.vertex(number_).op)) {
      const Json json = parse_json(answer, "a step's answer");
      setting.progress.done(number_, executor_.vertex(number_), false);
      return {.layers = {}, .fetched = build::Fetched{*op, json.at("digest"), json.at("directory")}};
    }
    build::Files files = with_layer(base_, decode(answer), format_time(setting.now.tv_sec));
    image::StepRecord record{
        executor_.keys_.at(number_).text, executor_.vertex(number_).title, files.created, {}, {}, files.own_layer};
    record.place = executor_.place_of(number_);
    record.inputs = build::to_json(executor_.keys_.at(number_).inputs);
    for (const build::Layer& one : files.layers) {
      record.layers.push_back({one.media_type, one.digest, one.size});
      record.diff_ids.push_back(one.diff_id);
    }
    executor_.records_.keep(record, setting.unfinished);
    executor_.results_.insert_or_assign(number_, std::move(record));
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

const ContextFiles& Executor::context_of(const build::Files* source) const {
  return source == nullptr ? setting_.context : setting_.contexts.at(source->context);
}

CopyStep Executor::copy_of(const build::CopyOp& op, const Inputs& inputs, bool has_parent) const {
  static const build::Files nothing;
  std::size_t input = 0;
  const build::Files& base = has_parent ? *inputs.at(input++) : nothing;
  const build::Files* source = op.source < 0 ? nullptr : inputs.at(input++);
  const bool of_context = source == nullptr || !source->context.empty();
  const ContextFiles& context = context_of(of_context ? source : nullptr);
  const Inputs fetched(inputs.begin() + static_cast<std::ptrdiff_t>(input), inputs.end());
  return {op, base, of_context ? nullptr : source, fetched, context, setting_.now};
}

/// What the context or another vertex brings in.
Contents Executor::contents_of(const build::Op& op, const Inputs& inputs, bool has_parent) {
  if (const auto* const copy = std::get_if<build::CopyOp>(&op)) {
    return selected_contents(files_, copy_of(*copy, inputs, has_parent));
  }
  Contents all;
  const auto* const run = std::get_if<build::RunOp>(&op);
  if (run == nullptr) return all;
  std::size_t input = has_parent ? 1 : 0;
  for (const build::StepMount& mount : run->mounts) {
    const build::Files* const from = mount.input < 0 ? nullptr : inputs.at(input++);
    if (from != nullptr && from->context.empty()) {
      std::string& layers = all[fmt::format("mount at {}", mount.target)];
      for (const build::Layer& layer : from->layers) layers += layer.diff_id;
    } else if (mount.type == build::StepMountType::bind) {
      for (auto& [path, digest] : mounted_contents(files_, context_of(from), mount.source))
        all[fmt::format("mount at {}: {}", mount.target, path)] = digest;
    }
  }
  return all;
}

build::StepInputs Executor::inputs_of(std::size_t number, const Inputs& inputs) {
  const build::Vertex& what = vertex(number);
  const bool has_parent = what.parent != build::kScratch;
  build::StepInputs found{build::definition(what.op), {}, contents_of(what.op, inputs, has_parent)};
  for (const build::Layer& layer : has_parent ? inputs.at(0)->layers : std::vector<build::Layer>()) {
    found.base.push_back(layer.diff_id);
  }
  return found;
}

std::string Executor::place_of(std::size_t number) const {
  const std::string& title = vertex(number).title;
  return sha256_digest(
      fmt::format("{}\n{}\n{}", setting_.context.directory, setting_.context.file, title.substr(0, title.find('/'))));
}

void Executor::explain(std::size_t number, bool found) {
  std::vector<std::string> reasons;
  if (found) {
    reasons.push_back("cached: instruction, layers below and files are the same");
  } else if (!may_recall(number)) {
    reasons.push_back("done again: nothing of earlier builds is to be used");
  } else if (records_.find(keys_.at(number).text)) {
    reasons.push_back("done again: its layer is there no more");
  } else if (const auto before = records_.latest_at(place_of(number)); !before) {
    reasons.push_back("done: no earlier build has done this step");
  } else {
    for (const std::string& line : build::differences(build::inputs_from(before->inputs), keys_.at(number).inputs))
      reasons.push_back("changed: " + line);
    if (reasons.empty()) reasons.push_back("done again: the program's way of doing it has changed");
  }
  setting_.progress.explained(vertex(number), reasons);
}

/// What was done here before, if all of it is there.
std::optional<image::StepRecord> Executor::usable_record(const std::string& key) const {
  auto record = records_.find(key);
  const auto is_here = [&](const image::Descriptor& layer) { return files_.store().has_blob(layer.digest); };
  if (record && !std::ranges::all_of(record->layers, is_here)) record.reset();
  return record;
}

/// What was done before, here or elsewhere.
std::optional<build::Files> Executor::find_record(std::size_t number) {
  if (!may_recall(number)) return {};
  const std::string& key = keys_.at(number).text;
  auto record = usable_record(key);
  if (!record) {
    record = setting_.imported.find(key);
    if (!record) return {};
    record->title = vertex(number).title;
    record->place = place_of(number);
    record->inputs = build::to_json(keys_.at(number).inputs);
    records_.keep(*record, setting_.unfinished);
  }
  build::Files files{.layers = {}, .own_layer = record->own_layer, .created = record->created};
  for (std::size_t i = 0; i < record->layers.size(); ++i) {
    const image::Descriptor& layer = record->layers[i];
    files.layers.push_back({layer.media_type, layer.digest, record->diff_ids[i], layer.size});
  }
  results_.insert_or_assign(number, std::move(*record));
  return files;
}

std::vector<image::StepRecord> Executor::records() const {
  std::vector<image::StepRecord> all;
  for (const auto& [number, record] : results_) all.push_back(record);
  return all;
}

std::optional<build::Files> Executor::recall(std::size_t number, const Inputs& inputs) {
  const build::Vertex& what = vertex(number);
  if (const auto* const op = std::get_if<build::ImageOp>(&what.op)) {
    setting_.progress.done(number, what, true);
    return files_of(setting_.images.at({op->reference, op->platform}));
  }
  if (const auto* const op = std::get_if<build::ContextOp>(&what.op))
    return build::Files{.layers = {}, .context = op->name};
  if (const auto* const op = std::get_if<build::FetchOp>(&what.op)) return known_fetch(*op);
  try {
    build::StepInputs found = inputs_of(number, inputs);
    keys_[number] = {found, key_of(found)};
  } catch (const Error& error) {
    throw failure(number, error);
  }
  auto files = find_record(number);
  if (setting_.request.explain) explain(number, files.has_value());
  if (files) setting_.progress.done(number, what, true);
  return files;
}

std::unique_ptr<build::RunningStep> Executor::start(std::size_t number, const Inputs& inputs) {
  setting_.progress.begun(number, vertex(number));
  if (std::holds_alternative<build::FetchOp>(vertex(number).op))
    fetched_.emplace_back(new image::Staged(files_.store().stage()));
  return std::make_unique<Step>(*this, number, inputs);
}

/// In the step's process, as the next one.
std::string Executor::fetch_work(const build::FetchOp& op, const std::string& place) const {
  const build::Fetched fetched = fetch(op, place);
  return Json{{"digest", fetched.digest}, {"directory", fetched.directory}}.dump();
}

build::Layer Executor::work(std::size_t number, const Inputs& inputs, const std::string& container_id) {
  const build::Vertex& what = vertex(number);
  const std::size_t others = first_other(what);
  const build::Files nothing;
  const build::Files& base = others == 0 ? nothing : *inputs.at(0);
  if (const auto* const copy = std::get_if<build::CopyOp>(&what.op)) {
    return copy_step(files_, copy_of(*copy, inputs, others != 0));
  }
  if (const auto* const directory = std::get_if<build::DirectoryOp>(&what.op)) {
    return directory_step(files_, *directory, base, setting_.now);
  }
  const Inputs mounted(inputs.begin() + static_cast<std::ptrdiff_t>(others), inputs.end());
  const auto& run = std::get<build::RunOp>(what.op);
  return run_step(setting_.places, files_,
                  {run, base, mounted, setting_.request, setting_.context, setting_.contexts, container_id});
}

}  // namespace sandbox::engine
