// Lines in files that are put aside when they are full.
#include "sandbox/base/line_series.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "sandbox/base/directory.h"
#include "sandbox/base/file.h"
#include "tests/support/temporary_directory.h"

using namespace sandbox;

namespace {

struct Temporary {
  std::string path() const { return directory.path() + "/log"; }
  std::size_t files() const { return list_directory(directory.path()).size(); }
  testing::TemporaryDirectory directory;
};

std::string rest_of(LineReader& reader) {
  std::string text;
  while (const auto line = reader.next()) text += *line + " ";
  return text;
}

std::string all(const std::string& path, std::optional<std::size_t> tail = {}) {
  LineReader reader(path, tail);
  return rest_of(reader);
}

}  // namespace

TEST_CASE("what is absent is empty, and is read when it comes") {
  Temporary temporary;
  LineReader reader(temporary.path());
  CHECK_FALSE(reader.next());
  LineWriter(temporary.path(), {}).append("one\ntwo\n");
  CHECK(rest_of(reader) == "one two ");
}

TEST_CASE("files hold no more than they may, and no more of them are kept") {
  Temporary temporary;
  LineWriter writer(temporary.path(), {10, 3});
  writer.append("1234\n5678\nabcd\nefgh\n");
  CHECK(read_file(temporary.path()) == "abcd\nefgh\n");
  CHECK(read_file(temporary.path() + ".1") == "1234\n5678\n");
  writer.append("ijkl\n");
  writer.append("a line that is longer than a file\n");
  CHECK(all(temporary.path()) == "abcd efgh ijkl a line that is longer than a file ");
  CHECK(temporary.files() == 3);
}

TEST_CASE("one file alone begins anew") {
  Temporary temporary;
  LineWriter writer(temporary.path(), {10, 1});
  writer.append("1234\n5678\nabcd\n");
  CHECK(all(temporary.path()) == "abcd ");
  CHECK(temporary.files() == 1);
}

TEST_CASE("the last lines are found over several files") {
  Temporary temporary;
  LineWriter writer(temporary.path(), {10, 5});
  for (int i = 0; i < 9; ++i) writer.append("100" + std::to_string(i) + "\n");
  CHECK(all(temporary.path()) == "1000 1001 1002 1003 1004 1005 1006 1007 1008 ");
  CHECK(all(temporary.path(), 0) == "");
  CHECK(all(temporary.path(), 1) == "1008 ");
  CHECK(all(temporary.path(), 2) == "1007 1008 ");
  CHECK(all(temporary.path(), 3) == "1006 1007 1008 ");
  CHECK(all(temporary.path(), 4) == "1005 1006 1007 1008 ");
  CHECK(all(temporary.path(), 100) == "1000 1001 1002 1003 1004 1005 1006 1007 1008 ");
}

TEST_CASE("a reader goes on while files are put aside") {
  Temporary temporary;
  LineWriter writer(temporary.path(), {10, 3});
  writer.append("1234\n");
  LineReader reader(temporary.path());
  CHECK(rest_of(reader) == "1234 ");
  writer.append("5678\nabcd\nefgh\nijkl\n");
  CHECK(rest_of(reader) == "5678 abcd efgh ijkl ");
  writer.append("mnop\n");
  CHECK(rest_of(reader) == "mnop ");
}

TEST_CASE("a reader that was overtaken goes on with the oldest that there is") {
  Temporary temporary;
  LineWriter writer(temporary.path(), {5, 2});
  writer.append("1234\n");
  LineReader reader(temporary.path());
  CHECK(rest_of(reader) == "1234 ");
  writer.append("5678\nabcd\nefgh\n");
  CHECK(rest_of(reader) == "abcd efgh ");
}

TEST_CASE("without room lines are lost whole, and nothing torn is left") {
  Temporary temporary;
  LineWriter writer(temporary.path(), {});
  writer.append("whole\n");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const rlimit tight{10, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);
  writer.append("lost, since it does not fit\n");
  ::setrlimit(RLIMIT_FSIZE, &old);
  CHECK(read_file(temporary.path()) == "whole\n");
  writer.append("next\n");
  CHECK(all(temporary.path()) == "whole next ");
}
