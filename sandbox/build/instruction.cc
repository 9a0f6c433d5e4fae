// See instruction.h. What an instruction may be is in one table; a function reads each.
#include "sandbox/build/instruction.h"

#include <algorithm>
#include <array>
#include <span>

namespace sandbox::build {
namespace {

/// An instruction while it is read: its flags are taken one by one.
class Reader {
 public:
  Reader(const Node& from, char escape_character) : node(from), rest(from.rest), escape(escape_character) {
    flags_ = take_flags(rest, escape);
  }

  const Node& node;
  SourceText rest;  ///< Behind the flags.
  const char escape;

  std::string text(std::string_view name) {
    std::string found;
    for (const Flag& flag : take(name)) found = value_of(flag);
    return found;
  }
  std::vector<Flag> all(std::string_view name) { return take(name); }
  std::optional<bool> boolean(std::string_view name) {
    std::optional<bool> found;
    for (const Flag& flag : take(name)) {
      const std::string word = flag.value.value_or("true");
      if (word != "true" && word != "false") {
        throw Mistake(flag.place, fmt::format("expecting boolean value for flag {}, not: {}", name, word));
      }
      found = word == "true";
    }
    return found;
  }
  const std::string& value_of(const Flag& flag) const {
    if (!flag.value) throw Mistake(flag.place, fmt::format("missing a value on flag: {}", flag.name));
    return *flag.value;
  }
  /// What no one has asked for is no flag of this instruction.
  void no_more_flags() const {
    if (flags_.empty()) return;
    throw Mistake(flags_[0].place, fmt::format("unknown flag: --{}", flags_[0].name),
                  suggestion(flags_[0].name, asked_));
  }
  void at_least_one() const {
    if (rest.text().empty()) throw Mistake(node.place, fmt::format("{} requires at least one argument", node.keyword));
  }
  Word whole() const {
    at_least_one();
    return {rest.text(), rest.at(0)};
  }
  [[noreturn]] void fail(const std::string& message) const { throw Mistake(node.place, message); }

 private:
  std::vector<Flag> take(std::string_view name) {
    asked_.push_back(name);
    std::vector<Flag> found;
    std::ranges::copy_if(flags_, std::back_inserter(found), [&](const Flag& flag) { return flag.name == name; });
    std::erase_if(flags_, [&](const Flag& flag) { return flag.name == name; });
    return found;
  }

  std::vector<Flag> flags_;
  std::vector<std::string_view> asked_;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// A list in JSON's form, or words between blanks.
std::vector<Word> list_of_words(const Reader& in) {
  in.at_least_one();
  const auto list = json_list(in.rest.text());
  if (!list) return split_at_blanks(in.rest);
  std::vector<Word> words;
  for (const std::string& word : *list) words.push_back({word, in.rest.at(0)});
  return words;
}

CommandLine command_line(const Reader& in) {
  if (auto list = json_list(in.rest.text())) return {std::move(*list), false};
  return {{in.rest.text()}, true};
}

bool is_stage_name(std::string_view name) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && letter(name[0]) && std::ranges::all_of(name, [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

Action read_from(Reader& in) {
  From from;
  from.platform = in.text("platform");
  in.no_more_flags();
  const std::vector<Word> words = split_at_blanks(in.rest);
  if (words.size() != 1 && (words.size() != 3 || lower(words[1].text) != "as")) {
    in.fail("FROM requires either one or three arguments");
  }
  from.image = words[0];
  if (words.size() == 3) from.name = lower(words[2].text);
  if (words.size() == 3 && !is_stage_name(from.name)) {
    throw Mistake(words[2].place, fmt::format("invalid name for build stage: \"{}\", name can't start with a number or "
                                              "contain symbols",
                                              words[2].text));
  }
  return from;
}

Action read_arg(Reader& in) {
  in.no_more_flags();
  in.at_least_one();
  Arg arg;
  for (const Word& word : split_words(in.rest, in.escape)) {
    const auto equals = word.text.find('=');
    Arg::Variable variable{word.text.substr(0, equals), {}, word.place};
    if (equals == 0) throw Mistake(word.place, "ARG names can not be blank");
    if (equals != std::string::npos) variable.value = word.text.substr(equals + 1);
    arg.variables.push_back(std::move(variable));
  }
  return arg;
}

Action read_env(Reader& in) {
  in.no_more_flags();
  in.at_least_one();
  return Env{split_assignments(in.rest, in.escape, "ENV")};
}

Action read_label(Reader& in) {
  in.no_more_flags();
  in.at_least_one();
  return Label{split_assignments(in.rest, in.escape, "LABEL")};
}

Action read_run(Reader& in) {
  Run run;
  for (const Flag& flag : in.all("mount")) run.mounts.push_back({in.value_of(flag), flag.place});
  for (const Flag& flag : in.all("network")) {
    run.network = in.value_of(flag);
    if (run.network != "default" && run.network != "none" && run.network != "host") {
      throw Mistake(flag.place, fmt::format("invalid network mode: {}", run.network),
                    "default, none and host are known");
    }
  }
  for (const Flag& flag : in.all("security")) {
    if (in.value_of(flag) != "sandbox") {
      throw Mistake(flag.place, fmt::format("security mode '{}' is not available", in.value_of(flag)),
                    "steps have the isolation of 'sandbox run'");
    }
  }
  in.no_more_flags();
  in.at_least_one();
  run.command = command_line(in);
  return run;
}

Action read_transfer(Reader& in) {
  Copy copy;
  copy.add = in.node.keyword == "ADD";
  copy.chown = in.text("chown");
  copy.chmod = in.text("chmod");
  copy.link = in.boolean("link").value_or(false);
  for (const Flag& flag : in.all("exclude")) copy.excludes.push_back(in.value_of(flag));
  if (copy.add) {
    copy.checksum = in.text("checksum");
    copy.unpack = in.boolean("unpack");
    copy.keep_git_dir = in.boolean("keep-git-dir");
  } else {
    copy.from = in.text("from");
    copy.parents = in.boolean("parents").value_or(false);
  }
  in.no_more_flags();
  std::vector<Word> words = list_of_words(in);
  if (words.size() < 2)
    in.fail(
        fmt::format("{} requires at least two arguments, but only one was provided. Destination "
                    "could not be determined",
                    in.node.keyword));
  copy.destination = std::move(words.back());
  words.pop_back();
  copy.files = in.node.heredocs;
  if (!copy.files.empty())
    std::erase_if(words, [](const Word& word) { return word.text.find("<<") != std::string::npos; });
  for (const Heredoc& file : copy.files) {
    if (file.name.find('/') == std::string::npos && file.name != "." && file.name != "..") continue;
    in.fail(fmt::format("the here-document '{}' can't be a file's name", file.name));
  }
  if (!copy.files.empty() && !copy.from.empty()) in.fail("COPY --from can not take here-documents");
  copy.sources = std::move(words);
  return copy;
}

Action read_command(Reader& in) {
  in.no_more_flags();
  return Command{in.node.keyword == "ENTRYPOINT", command_line(in)};
}

Action read_expose(Reader& in) {
  in.no_more_flags();
  in.at_least_one();
  return Expose{split_at_blanks(in.rest)};
}

Action read_volume(Reader& in) {
  in.no_more_flags();
  Volume volume{list_of_words(in)};
  for (const Word& path : volume.paths) {
    if (path.text.empty()) throw Mistake(path.place, "VOLUME specified can not be an empty string");
  }
  return volume;
}

Action read_user(Reader& in) {
  in.no_more_flags();
  return User{in.whole()};
}

Action read_workdir(Reader& in) {
  in.no_more_flags();
  return WorkDir{in.whole()};
}

Action read_stopsignal(Reader& in) {
  in.no_more_flags();
  return StopSignal{in.whole()};
}

Action read_shell(Reader& in) {
  in.no_more_flags();
  auto list = json_list(in.rest.text());
  if (!list || list->empty()) in.fail("SHELL requires the arguments to be in JSON form");
  return Shell{std::move(*list)};
}

std::int64_t duration_flag(Reader& in, std::string_view name, std::int64_t least) {
  std::int64_t found = 0;
  for (const Flag& flag : in.all(name)) {
    const auto value = parse_duration(in.value_of(flag));
    if (!value)
      throw Mistake(flag.place, fmt::format("time: invalid duration \"{}\"", *flag.value), "for example 30s or 1m30s");
    if (*value < least)
      throw Mistake(flag.place, fmt::format("interval \"{}\" cannot be less than {}ms", name, least / 1'000'000));
    found = *value;
  }
  return found;
}

Action read_healthcheck(Reader& in) {
  constexpr std::int64_t kLeast = 1'000'000;  // the engine's bound: a millisecond
  HealthCheck check;
  check.interval = duration_flag(in, "interval", kLeast);
  check.timeout = duration_flag(in, "timeout", kLeast);
  check.start_period = duration_flag(in, "start-period", 0);
  check.start_interval = duration_flag(in, "start-interval", kLeast);
  for (const Flag& flag : in.all("retries")) {
    const std::string& word = in.value_of(flag);
    if (word.empty() || word.size() > 9 || word.find_first_not_of("0123456789") != std::string::npos) {
      throw Mistake(flag.place, fmt::format("--retries must be at least 1 (not {})", word));
    }
    check.retries = std::stoll(word);
  }
  in.no_more_flags();
  in.at_least_one();
  const std::string& text = in.rest.text();
  const auto end = std::min(text.find_first_of(" \t"), text.size());
  const std::string kind = lower(text.substr(0, end));
  const SourceText line = in.rest.from(std::min(text.find_first_not_of(" \t", end), text.size()));
  if (kind == "none") {
    if (!line.text().empty()) in.fail("HEALTHCHECK NONE takes no arguments");
    check.test = {"NONE"};
    return check;
  }
  if (kind != "cmd") {
    throw Mistake(in.rest.at(0), fmt::format("unknown type \"{}\" in HEALTHCHECK (try CMD)", text.substr(0, end)));
  }
  if (line.text().empty()) in.fail("missing command after HEALTHCHECK CMD");
  if (auto list = json_list(line.text())) {
    check.test = std::move(*list);
    check.test.insert(check.test.begin(), "CMD");
  } else {
    check.test = {"CMD-SHELL", line.text()};
  }
  return check;
}

Action read_onbuild(Reader& in) {
  in.at_least_one();
  const std::string& text = in.rest.text();
  std::string keyword = text.substr(0, text.find_first_of(" \t"));
  std::ranges::transform(keyword, keyword.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (keyword == "ONBUILD") in.fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (keyword == "FROM" || keyword == "MAINTAINER")
    in.fail(fmt::format("{} isn't allowed as an ONBUILD trigger", keyword));
  OnBuild onbuild{text};
  for (const Heredoc& heredoc : in.node.heredocs)
    onbuild.trigger += fmt::format("\n{}{}", heredoc.content, heredoc.name);
  (void)parse_trigger(onbuild.trigger);
  return onbuild;
}

Action read_maintainer(Reader& in) {
  in.no_more_flags();
  return Maintainer{in.whole().text};
}

struct Kind {
  std::string_view keyword;
  Action (*read)(Reader& in);
};

constexpr Kind kKinds[] = {
    {"ADD", read_transfer},
    {"ARG", read_arg},
    {"CMD", read_command},
    {"COPY", read_transfer},
    {"ENTRYPOINT", read_command},
    {"ENV", read_env},
    {"EXPOSE", read_expose},
    {"FROM", read_from},
    {"HEALTHCHECK", read_healthcheck},
    {"LABEL", read_label},
    {"MAINTAINER", read_maintainer},
    {"ONBUILD", read_onbuild},
    {"RUN", read_run},
    {"SHELL", read_shell},
    {"STOPSIGNAL", read_stopsignal},
    {"USER", read_user},
    {"VOLUME", read_volume},
    {"WORKDIR", read_workdir},
};

/// Blanks in a row, which continued lines leave, become one.
std::string on_one_line(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank)
      result += c;
    else if (!result.ends_with(' '))
      result += ' ';
  }
  return result;
}

}  // namespace

Instruction parse_instruction(const Node& node, char escape) {
  const auto* const kind = std::ranges::find(kKinds, node.keyword, &Kind::keyword);
  if (kind == std::end(kKinds)) {
    std::array<std::string_view, std::size(kKinds)> known;
    std::ranges::transform(kKinds, known.begin(), &Kind::keyword);
    throw Mistake(node.place, fmt::format("unknown instruction: {}", node.keyword), suggestion(node.keyword, known));
  }
  Reader in(node, escape);
  Instruction instruction{kind->read(in), fmt::format("{} {}", node.keyword, on_one_line(node.rest.text())),
                          node.heredocs, node.place, node.last_line};
  return instruction;
}

Instruction parse_trigger(const std::string& text) {
  const Tree tree = parse_tree(text);
  if (tree.nodes.size() != 1) throw Mistake({}, "an ONBUILD trigger has to be one instruction");
  return parse_instruction(tree.nodes[0], tree.escape);
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double nanoseconds;
  };
  constexpr Unit units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  if (text == "0") return 0;
  if (text.empty() || text.size() > 64) return {};
  double sum = 0;
  while (!text.empty()) {
    const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::string_view number = text.substr(0, digits);
    if (number.empty() || number == "." || std::ranges::count(number, '.') > 1) return {};
    text.remove_prefix(digits);
    const std::string_view name = text.substr(0, std::min(text.find_first_of("0123456789."), text.size()));
    const auto* const unit = std::ranges::find(units, name, &Unit::name);
    if (unit == std::end(units)) return {};
    text.remove_prefix(name.size());
    sum += std::stod(std::string(number)) * unit->nanoseconds;
  }
  if (sum > 9e18) return {};
  return static_cast<std::int64_t>(sum + 0.5);  // not llround(): the program does without libm
}

}  // namespace sandbox::build
