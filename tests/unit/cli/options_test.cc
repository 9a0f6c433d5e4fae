// The option parser: pflag's rules and Docker's words.
#include "sandbox/cli/options.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"interactive", 'i', nullptr, "Keep STDIN open"},
    {"tty", 't', nullptr, "Terminal"},
    {"rm", '\0', nullptr, "Remove"},
    {"publish", 'p', "list", "Ports"},
    {"name", '\0', "string", "Name"},
};

Arguments parse(std::vector<std::string> words, bool interspersed = false) {
  std::vector<char*> pointers;
  for (auto& word : words) pointers.push_back(word.data());
  return parse_arguments(kOptions, interspersed, pointers);
}

std::string failure(const std::vector<std::string>& words) {
  try {
    parse(words);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("a value is taken after '=', as the next word, or glued to a short name") {
  CHECK(parse({"--name=a=b"}).text("name") == "a=b");
  CHECK(parse({"--name", "-x"}).text("name") == "-x");
  CHECK(parse({"--name="}).last("name") == "");
  CHECK(parse({"-p80:80", "-p", "81:81", "-p=82:82"}).all("publish") ==
        std::vector<std::string>{"80:80", "81:81", "82:82"});
}

TEST_CASE("short flags combine and the last may take a value") {
  const auto arguments = parse({"-itp80:80", "image"});
  CHECK(arguments.flag("interactive"));
  CHECK(arguments.flag("tty"));
  CHECK(arguments.text("publish") == "80:80");
  CHECK(arguments.positional == std::vector<std::string>{"image"});
}

TEST_CASE("the last word about a boolean flag wins") {
  CHECK(parse({"--rm"}).flag("rm"));
  CHECK_FALSE(parse({"--rm", "--rm=false"}).flag("rm"));
  CHECK(parse({"--rm=false", "--rm=1"}).flag("rm"));
  CHECK(parse({"--rm", "false"}).positional == std::vector<std::string>{"false"});
}

TEST_CASE("parsing ends at the first positional word unless flags may be interspersed") {
  CHECK(parse({"image", "--rm", "-x"}).positional == std::vector<std::string>{"image", "--rm", "-x"});
  const auto arguments = parse({"a", "--rm", "b"}, true);
  CHECK(arguments.positional == std::vector<std::string>{"a", "b"});
  CHECK(arguments.flag("rm"));
  CHECK(parse({"--rm", "--", "--name"}, true).positional == std::vector<std::string>{"--name"});
  CHECK(parse({"-"}).positional == std::vector<std::string>{"-"});
}

TEST_CASE("wrong words are named as Docker names them") {
  CHECK(failure({"--nope=1"}) == "unknown flag: --nope");
  CHECK(failure({"-iz"}) == "unknown shorthand flag: 'z' in -z");
  CHECK(failure({"--name"}) == "flag needs an argument: --name");
  CHECK(failure({"-ip"}) == "flag needs an argument: 'p' in -p");
  CHECK(failure({"--tty=maybe"}) ==
        "invalid argument \"maybe\" for \"-t, --tty\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax");
}

TEST_CASE("help is a flag of every command") {
  CHECK(parse({"--help"}).help);
  CHECK(parse({"-h"}).help);
  CHECK(render_options(kOptions).find("  -p, --publish list   Ports\n") != std::string::npos);
  CHECK(render_options(kOptions).find("      --rm             Remove\n") != std::string::npos);
}

}  // namespace
}  // namespace sandbox::cli
