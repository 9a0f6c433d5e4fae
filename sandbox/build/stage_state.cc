// See stage_state.h. What each instruction does to config and history is what BuildKit's frontend does
// (frontend/dockerfile/dockerfile2llb/convert.go).
#include "sandbox/build/stage_state.h"

#include <algorithm>

#include "sandbox/base/assignments.h"
#include "sandbox/base/signal_name.h"
#include "sandbox/build/path_pattern.h"
#include "sandbox/build/ports.h"
#include "sandbox/build/remote_source.h"

namespace sandbox::build {
namespace {

constexpr const char* kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::string_view kProxies[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY",
                                         "ftp_proxy",  "NO_PROXY",   "no_proxy",    "ALL_PROXY",   "all_proxy"};

std::string joined(const std::vector<std::string>& words, std::string_view separator = " ") {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : separator).append(word);
  return text;
}

std::string json_text(const std::vector<std::string>& words) {
  return Json(words).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// `path` seen from `directory`; a "/" at the end stays.
std::string absolute(const std::string& directory, const std::string& path) {
  std::string whole = path.starts_with('/') ? path : fmt::format("{}/{}", directory, path);
  const bool is_directory = whole.ends_with('/') || whole.ends_with("/.");
  whole = clean_path(whole);
  if (whole == ".") return "/";
  return "/" + whole + (is_directory ? "/" : "");
}

/// A stranger's document: what is of the wrong type gives way.
void make_regular(Json& document) {
  if (!document.is_object()) document = Json::object();
  Json& config = document["config"];
  if (!config.is_object()) config = Json::object();
  const auto keep = [&](const char* key, auto is_right) {
    if (config.contains(key) && !is_right(config[key])) config.erase(key);
  };
  const auto is_list = [](const Json& value) {
    return value.is_array() && std::ranges::all_of(value, [](const Json& word) { return word.is_string(); });
  };
  for (const char* key : {"Env", "Cmd", "Entrypoint", "OnBuild", "Shell"}) keep(key, is_list);
  for (const char* key : {"Labels", "Volumes", "ExposedPorts"})
    keep(key, [](const Json& value) { return value.is_object(); });
  for (const char* key : {"User", "WorkingDir", "StopSignal"})
    keep(key, [](const Json& value) { return value.is_string(); });
}

/// The content as the step will see it.
std::string with_heredocs(const std::string& line, const std::vector<Heredoc>& heredocs) {
  std::string text = line;
  for (const Heredoc& heredoc : heredocs) text += fmt::format("\n{}{}", heredoc.content, heredoc.name);
  return text;
}

}  // namespace

bool is_proxy(const std::string& name) { return std::ranges::find(kProxies, name) != std::end(kProxies); }

struct StageState::Context {
  const Instruction& instruction;
  Graph& graph;
  const FindSource& find_source;

  void warn(const char* rule, std::string message) const {
    graph.warnings.push_back({rule, std::move(message), instruction.place.line, instruction.last_line});
  }
};

StageState::StageState(const Arguments& arguments, char escape) : arguments_(&arguments), escape_(escape) {
  document_ = {{"architecture", arguments.global.at("TARGETARCH")}, {"os", arguments.global.at("TARGETOS")}};
  config()["WorkingDir"] = "/";
  set_variable("PATH", kPath);
}

StageState::StageState(const Json& config) : escape_('\\') {
  static const Arguments none;
  arguments_ = &none;
  document_ = {{"config", config}};
  make_regular(document_);
}

void StageState::set_base(int vertex, const Json& document) {
  vertex_ = vertex;
  document_ = document;
  base_known_ = !document.is_null();
  make_regular(document_);
  for (const char* key : {"history", "rootfs", "container", "container_config", "id", "parent"}) document_.erase(key);
  if (!lookup("PATH")) set_variable("PATH", kPath);
}

void StageState::begin_stage() {
  args_.clear();
  own_.clear();
  command_set_ = false;
}

std::vector<Instruction> StageState::take_triggers(Place place) {
  std::vector<Instruction> triggers;
  for (const std::string& text : config_list("OnBuild")) {
    try {
      Instruction trigger = parse_trigger(text);
      trigger.place = place;
      trigger.last_line = place.line;
      if (std::holds_alternative<From>(trigger.action) || std::holds_alternative<OnBuild>(trigger.action)) {
        throw InvalidInput("not an instruction for a trigger");
      }
      triggers.push_back(std::move(trigger));
    } catch (const InvalidInput& error) {
      throw Mistake(place, fmt::format("ONBUILD trigger '{}' of the base image: {}", text, error.what()));
    }
  }
  config().erase("OnBuild");
  return triggers;
}

void StageState::apply(const Instruction& instruction, Graph& graph, const FindSource& find_source) {
  Context context{instruction, graph, find_source};
  missed_.clear();
  std::visit([&](const auto& action) { on(action, context); }, instruction.action);
  warn_of_undefined(context);
}

void StageState::warn_of_undefined(Context& in) {
  if (!base_known_) return;  // it may set them
  std::set<std::string> known;
  for (const std::string& entry : config_list("Env")) known.insert(entry.substr(0, entry.find('=')));
  for (const auto& [name, value] : args_) known.insert(name);
  const std::vector<std::string_view> names(known.begin(), known.end());
  for (const std::string& name : missed_) {
    if (known.contains(name)) continue;  // declared, without a value
    std::string meant = suggestion(name, names);
    if (!meant.empty()) meant.insert(meant.rfind(' ') + 1, "$");
    in.warn("UndefinedVar", fmt::format("Usage of undefined variable '${}'{}", name,
                                        meant.empty() ? "" : fmt::format(" ({})", meant)));
  }
}

void StageState::number_titles(Graph& graph, std::size_t first, const std::string& name) const {
  const std::size_t begin = own_.empty() ? 0 : 1;  // FROM is the first step
  for (std::size_t i = 0; i < own_.size(); ++i) {
    if (static_cast<std::size_t>(own_[i]) < first) continue;
    std::string& title = graph.vertices[static_cast<std::size_t>(own_[i])].title;
    title = fmt::format("[{}{}{}/{}] {}", name, name.empty() ? "" : " ", i + 1 + begin, own_.size() + begin, title);
  }
}

std::string StageState::config_text(const char* key) const {
  const Json& config = document_.at("config");
  return config.contains(key) ? config.at(key).get<std::string>() : std::string();
}

std::vector<std::string> StageState::config_list(const char* key) const {
  const Json& config = document_.at("config");
  return config.contains(key) ? config.at(key).get<std::vector<std::string>>() : std::vector<std::string>();
}

void StageState::set_variable(const std::string& name, const std::string& value) {
  std::vector<std::string> env = config_list("Env");
  set_environment(env, name + "=" + value);
  config()["Env"] = env;
}

/// ENV is stronger than ARG.
std::optional<std::string> StageState::lookup(const std::string& name) const {
  for (const std::string& entry : config_list("Env")) {
    if (entry.starts_with(name + "=")) return entry.substr(name.size() + 1);
  }
  return argument(name);
}

std::optional<std::string> StageState::argument(const std::string& name) const {
  const auto last = std::ranges::find(args_.rbegin(), args_.rend(), name, &decltype(args_)::value_type::first);
  return last == args_.rend() ? std::nullopt : last->second;
}

std::string StageState::expanded(std::string_view text, Place place) const {
  try {
    return expand(text, [this](const std::string& name) { return lookup(name); },
                  {.escape = escape_, .missed = &missed_});
  } catch (const InvalidInput& error) {
    throw Mistake(place, error.what());
  }
}

std::vector<std::string> StageState::with_shell(const CommandLine& line) const {
  if (!line.shell) return line.words;
  std::vector<std::string> words = config_list("Shell");
  if (words.empty()) words = {"/bin/sh", "-c"};
  words.insert(words.end(), line.words.begin(), line.words.end());
  return words;
}

std::string StageState::directory() const {
  const std::string directory = config_text("WorkingDir");
  return directory.empty() ? "/" : directory;
}

void StageState::add_vertex(Op op, Context& in, std::string created_by) {
  const int number = static_cast<int>(in.graph.vertices.size());
  in.graph.vertices.push_back(
      {std::move(op), vertex_, in.instruction.original, in.instruction.place, in.instruction.last_line});
  vertex_ = number;
  own_.push_back(number);
  history_.push_back({std::move(created_by) + " # buildkit", number});
}

void StageState::on(const From&, Context& in) { throw Mistake(in.instruction.place, "FROM begins a stage"); }

void StageState::on(const Arg& arg, Context&) {
  std::vector<std::string> told;
  for (const Arg::Variable& variable : arg.variables) {
    std::optional<std::string> value;
    const auto given = arguments_->given.find(variable.name);
    const auto global = arguments_->global.find(variable.name);
    if (given != arguments_->given.end())
      value = given->second;
    else if (variable.value)
      value = expanded(*variable.value, variable.place);
    else if (global != arguments_->global.end())
      value = global->second;
    args_.emplace_back(variable.name, value);
    told.push_back(variable.name + (value ? "=" + *value : ""));
  }
  metadata("ARG " + joined(told));
}

void StageState::on(const Env& env, Context&) {
  std::vector<std::pair<std::string, std::string>> values;  // all see the variables from before this instruction
  for (const Assignment& one : env.assignments) {
    values.emplace_back(expanded(one.name, one.place), expanded(one.value, one.place));
  }
  std::vector<std::string> told;
  for (const auto& [name, value] : values) {
    if (name.empty()) throw Mistake(env.assignments[0].place, "ENV names can not be blank");
    set_variable(name, value);
    told.push_back(name + "=" + value);
  }
  metadata("ENV " + joined(told));
}

void StageState::on(const Label& label, Context&) {
  std::vector<std::string> told;
  for (const Assignment& one : label.assignments) {
    const std::string name = expanded(one.name, one.place), value = expanded(one.value, one.place);
    config()["Labels"][name] = value;
    told.push_back(name + "=" + value);
  }
  metadata("LABEL " + joined(told));
}

void StageState::set_command_of_run(const Run& run, const Context& in, RunOp& op) const {
  const auto& heredocs = in.instruction.heredocs;
  CommandLine line = run.command;
  if (!heredocs.empty() && line.shell) {
    const bool alone = heredocs.size() == 1 && line.words[0].starts_with("<<") &&
                       line.words[0].find_first_of(" \t") == std::string::npos;
    if (alone && heredocs[0].content.starts_with("#!")) {
      op.script = heredocs[0].content;
      op.argv = {fmt::format("/dev/pipes/{}", heredocs[0].name.substr(heredocs[0].name.rfind('/') + 1))};
      return;
    }
    line.words[0] = alone ? heredocs[0].content : with_heredocs(line.words[0], heredocs);
  }
  op.argv = with_shell(line);
}

void StageState::on(const Run& run, Context& in) {
  RunOp op;
  set_command_of_run(run, in, op);
  op.env = config_list("Env");
  op.directory = directory();
  op.user = config_text("User");
  op.network = run.network;
  std::vector<std::string> told;
  for (const auto& [name, value] : args_) {
    if (!value || lookup(name) != value) continue;  // without a value, or another's
    const std::string entry = name + "=" + *value;
    if (is_proxy(name))
      op.hidden_env.push_back(entry);
    else if (std::ranges::find(op.env, entry) == op.env.end())
      op.env.push_back(entry), told.push_back(entry);
  }
  for (const auto& [name, value] : arguments_->given) {
    if (is_proxy(name) && !lookup(name)) op.hidden_env.push_back(name + "=" + value);
  }
  for (const MountWord& word : run.mounts) {
    try {
      StepMount mount = parse_step_mount(expanded(word.text, word.place), op.directory);
      mount.input = in.find_source(mount.from);
      if (mount.from.empty() && mount.type == StepMountType::bind) in.graph.uses_context = true;
      op.mounts.push_back(std::move(mount));
    } catch (const Mistake&) {
      throw;
    } catch (const InvalidInput& error) {
      throw Mistake(word.place, error.what(), error.hint());
    }
  }
  std::string created_by = "RUN ";
  if (!told.empty()) created_by += fmt::format("|{} {} ", told.size(), joined(told));
  created_by += joined(op.argv);
  add_vertex(std::move(op), in, std::move(created_by));
}

/// A vertex for each source of ADD that is remote.
void StageState::add_fetches(const Copy& copy, CopyOp& op, Context& in) const {
  const Place place = in.instruction.place;
  const std::string checksum = expanded(copy.checksum, place);
  bool repository = false;
  for (const std::string& source : op.sources) {
    if (!copy.add || !is_remote(source)) continue;
    if (is_git_url(source)) (void)parse_git_url(source), repository = true;
    op.fetched.push_back(static_cast<int>(in.graph.vertices.size()));
    in.graph.vertices.push_back({FetchOp{source, checksum, copy.keep_git_dir.value_or(false)}, kScratch,
                                 fmt::format("fetch {}", source), place, in.instruction.last_line});
  }
  if (!checksum.empty() && (op.fetched.size() != 1 || op.sources.size() != 1))
    throw Mistake(place, "checksum can only be specified for one source, which is remote");
  if (copy.keep_git_dir && !repository) throw Mistake(place, "keep-git-dir can only be specified for git repositories");
}

void StageState::on(const Copy& copy, Context& in) {
  CopyOp op;
  op.add = copy.add;
  for (const Word& word : copy.sources) {
    op.sources.push_back(expanded(word.text, word.place));
    if (op.sources.back().empty()) throw Mistake(word.place, "a source is empty");
  }
  op.files = copy.files;
  for (Heredoc& file : op.files) {
    if (!file.expand) continue;
    file.content = expand(file.content, [this](const std::string& name) { return lookup(name); },
                          {.escape = escape_, .keep_quotes = true, .missed = &missed_});
  }
  const std::string destination = expanded(copy.destination.text, copy.destination.place);
  op.destination = absolute(directory(), destination);
  if (destination == "." || destination.ends_with('/')) op.destination += op.destination.ends_with('/') ? "" : "/";
  if (op.sources.size() + op.files.size() > 1 && !op.destination.ends_with('/')) {
    throw Mistake(
        copy.destination.place,
        fmt::format("When using {} with more than one source file, the destination must be a directory and end "
                    "with a /",
                    copy.add ? "ADD" : "COPY"));
  }
  const Place place = in.instruction.place;
  op.source = in.find_source(expanded(copy.from, place));
  op.chown = expanded(copy.chown, place);
  op.chmod = expanded(copy.chmod, place);
  add_fetches(copy, op, in);
  for (const std::string& pattern : copy.excludes) op.excludes.push_back(expanded(pattern, place));
  op.link = copy.link;
  op.parents = copy.parents;
  op.unpack = copy.unpack;
  if (op.source == kScratch && op.sources.size() > op.fetched.size()) in.graph.uses_context = true;
  std::vector<std::string> words = op.sources;
  for (const Heredoc& file : op.files) words.push_back("<<" + file.name);
  std::string flags;
  if (!op.chown.empty()) flags += fmt::format(" --chown={}", op.chown);
  if (!op.chmod.empty()) flags += fmt::format(" --chmod={}", op.chmod);
  add_vertex(std::move(op), in,
             fmt::format("{}{} {} {}", copy.add ? "ADD" : "COPY", flags, joined(words), destination));
}

void StageState::on(const Command& command, Context& in) {
  if (command.line.shell && !config().contains("Shell")) {
    in.warn("JSONArgsRecommended",
            fmt::format("JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
                        command.entrypoint ? "ENTRYPOINT" : "CMD"));
  }
  const std::vector<std::string> words = with_shell(command.line);
  const bool clears = command.line.shell && command.line.words[0].empty();
  config()[command.entrypoint ? "Entrypoint" : "Cmd"] = clears ? Json::array() : Json(words);
  if (command.entrypoint && !command_set_) config().erase("Cmd");  // it was meant for another entrypoint
  if (!command.entrypoint) command_set_ = true;
  metadata(fmt::format("{} {}", command.entrypoint ? "ENTRYPOINT" : "CMD", json_text(words)));
}

void StageState::on(const Expose& expose, Context& in) {
  std::vector<std::string> told;
  for (const Word& word : expose.ports) {
    std::vector<std::string> ports;
    try {
      ports = expand_words(word.text, [this](const std::string& name) { return lookup(name); },
                           {.escape = escape_, .missed = &missed_});
      for (const std::string& port : ports) {
        if (port.find(':') != std::string::npos) {
          in.warn(
              "ExposeInvalidFormat",
              fmt::format("EXPOSE instruction should not define an IP address or host-port mapping, found '{}'", port));
        }
        if (std::ranges::any_of(port, [](char c) { return c >= 'A' && c <= 'Z'; }))
          in.warn("ExposeProtoCasing",
                  fmt::format("Defined protocol '{}' in EXPOSE instruction should be lowercase", port));
        for (std::string& one : exposed_ports(port)) {
          config()["ExposedPorts"][one] = Json::object();
          told.push_back(std::move(one));
        }
      }
    } catch (const InvalidInput& error) {
      throw Mistake(word.place, error.what(), error.hint());
    }
  }
  metadata(fmt::format("EXPOSE [{}]", joined(told)));
}

void StageState::on(const Volume& volume, Context&) {
  std::vector<std::string> told;
  for (const Word& word : volume.paths) {
    const std::string path = expanded(word.text, word.place);
    if (path.empty()) throw Mistake(word.place, "VOLUME specified can not be an empty string");
    config()["Volumes"][path] = Json::object();
    told.push_back(path);
  }
  metadata(fmt::format("VOLUME [{}]", joined(told)));
}

void StageState::on(const User& user, Context&) {
  const std::string words = expanded(user.user.text, user.user.place);
  config()["User"] = words;
  metadata("USER " + words);
}

void StageState::on(const WorkDir& workdir, Context& in) {
  const std::string path = expanded(workdir.path.text, workdir.path.place);
  if (!directory_set_ && !path.starts_with('/')) {
    in.warn("WorkdirRelativePath",
            fmt::format("Relative workdir \"{}\" can have unexpected results if the base image changes", path));
  }
  directory_set_ = true;
  std::string whole = absolute(directory(), path);
  if (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
  config()["WorkingDir"] = whole;
  if (whole == "/") return metadata("WORKDIR /");
  add_vertex(DirectoryOp{whole, config_text("User")}, in, "WORKDIR " + whole);
  history_.back().created_by = "WORKDIR " + whole;
}

void StageState::on(const StopSignal& signal, Context&) {
  const std::string word = expanded(signal.signal.text, signal.signal.place);
  try {
    (void)parse_signal(word);
  } catch (const UsageError& error) {
    throw Mistake(signal.signal.place, error.what());
  }
  config()["StopSignal"] = word;
  metadata("STOPSIGNAL " + word);
}

void StageState::on(const Shell& shell, Context&) {
  config()["Shell"] = shell.words;
  metadata(fmt::format("SHELL [{}]", joined(shell.words)));
}

void StageState::on(const HealthCheck& check, Context& in) {
  Json health = {{"Test", check.test}};
  const auto add = [&](const char* key, std::int64_t value) {
    if (value != 0) health[key] = value;
  };
  add("Interval", check.interval);
  add("Timeout", check.timeout);
  add("StartPeriod", check.start_period);
  add("StartInterval", check.start_interval);
  add("Retries", check.retries);
  config()["Healthcheck"] = std::move(health);
  metadata(in.instruction.original);
}

void StageState::on(const OnBuild& onbuild, Context&) {
  config()["OnBuild"].push_back(onbuild.trigger);
  metadata("ONBUILD " + onbuild.trigger);
}

void StageState::on(const Maintainer& maintainer, Context&) {
  document_["author"] = maintainer.name;
  metadata("MAINTAINER " + maintainer.name);
}

}  // namespace sandbox::build
