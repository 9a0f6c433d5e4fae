#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include "sandbox/base/json.h"
#include "sandbox/container/log_sink.h"
#include "temporary_places.h"

using namespace sandbox;
using namespace sandbox::container;

namespace {

std::vector<LogRecord> records(const std::string& path, const LogOptions& options = {}) {
  std::vector<LogRecord> list;
  read_log(path, options, [&](const LogRecord& record) { list.push_back(record); });
  return list;
}

std::string text_of(const std::vector<LogRecord>& list) {
  std::string text;
  for (const auto& record : list) text += record.text;
  return text;
}

}  // namespace

TEST_CASE("lines of both streams come back from the log in order") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  LogWriter log(json_log(path));
  log.append(Stream::out, "one\ntw");
  log.append(Stream::err, "oops\n");
  log.append(Stream::out, "o\nend");
  log.finish();
  const auto list = records(path);
  REQUIRE(list.size() == 4);
  CHECK(list[0].text == "one\n");
  CHECK(list[1].text == "oops\n");
  CHECK(list[1].stream == Stream::err);
  CHECK(list[2].text == "two\n");
  CHECK(list[3].text == "end");
  CHECK(list[0].time.size() == std::string("2026-01-01T00:00:00.000000000Z").size());
}

TEST_CASE("the log's lines are Docker's json-file records") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  LogWriter(json_log(path)).append(Stream::out, "hello\n");
  const Json line = parse_json(read_file(path), "log");
  CHECK(line["log"] == "hello\n");
  CHECK(line["stream"] == "stdout");
  CHECK(line["time"].is_string());
}

TEST_CASE("a line of 100 KiB without an end is split at 16 KiB and comes back whole") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  std::string text;
  while (text.size() < 100U << 10) text += "aüb€";
  LogWriter log(json_log(path));
  for (std::size_t i = 0; i < text.size(); i += 5000) log.append(Stream::out, text.substr(i, 5000));
  log.finish();
  const auto list = records(path);
  CHECK(list.size() >= 7);
  for (const auto& record : list) CHECK(record.text.size() <= 16U << 10);
  CHECK(text_of(list) == text);
}

TEST_CASE("NUL bytes survive in the log and invalid UTF-8 is replaced") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  LogWriter(json_log(path)).append(Stream::out, std::string("a\0b\xff\n", 5));
  CHECK(text_of(records(path)) == std::string("a\0b\xef\xbf\xbd\n", 7));
}

TEST_CASE("a record says any bytes at any place as JSON does") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  std::string written;
  LogWriter log(json_log(path));
  for (int c = 0; c < 256; ++c) {
    for (const std::size_t place : {0, 3, 8, 15}) {
      std::string line = "seventeen letters\n";
      line[place] = static_cast<char>(c);
      log.append(Stream::out, line);
      written += Json::parse(Json(line).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
    }
  }
  CHECK(text_of(records(path)) == written);
}

TEST_CASE("records that are not as usual are read as JSON, and what is no record is skipped") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log", time = R"("time":"2026-01-02T03:04:05.000000000Z")";
  const std::vector<std::string> lines = {
      R"({"log":"1\u0041\n","stream":"stdout",)" + time + "}",
      R"({"log":"2","stream":"stderr","time":"2026-01-02T03:04:05Z"})",
      R"({"stream":"stdout", "log":"3",)" + time + "}",
      R"({"log":"4\","stream":"stdout",)" + time + "}",
      R"({"log":"5"","stream":"stdout",)" + time + "}",
      R"({"log":"","stream":"stdout",)" + time + "}",
      R"({"log":"\/\\\"","stream":"stderr",)" + time + "}",
      R"({"log":""})",
      R"({"log":"","time":"2026"})",
      "{}",
      "",
  };
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  write_file_atomic(path, text, false);
  const auto list = records(path);
  CHECK(text_of(list) == "1A\n23/\\\"");
  REQUIRE(list.size() == 4);
  CHECK(list[1].stream == Stream::err);
  CHECK(list[3].time == "2026-01-02T03:04:05.000000000Z");
}

TEST_CASE("long runs of NUL bytes come back") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  const std::string text(40000, '\0');
  LogWriter log(json_log(path));
  log.append(Stream::out, text);
  log.finish();
  CHECK(text_of(records(path)) == text);
}

TEST_CASE("tail and since choose records") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  LogWriter(json_log(path)).append(Stream::out, "1\n2\n3\n");
  CHECK(text_of(records(path, {.tail = 2})) == "2\n3\n");
  CHECK(records(path, {.tail = 0}).empty());
  CHECK(records(path, {.since = timespec{4102444800, 0}}).empty());
  CHECK(records(path, {.since = timespec{}}).size() == 3);
  CHECK(records(path, {.until = timespec{}}).empty());
  CHECK(records(path, {.until = timespec{4102444800, 0}}).size() == 3);
  // Nobody is waited for beyond that time.
  CHECK(records(path, {.until = timespec{}, .follow = [] { return true; }}).empty());
}

TEST_CASE("tail finds its lines far from the end, and all of them when there are fewer") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  std::string text;
  for (int i = 0; i < 20000; ++i) text += fmt::format("{}\n", i);
  LogWriter(json_log(path)).append(Stream::out, text);
  for (const std::size_t count : {1, 5000, 19999, 20000, 30000}) {
    const auto found = records(path, {.tail = count});
    CHECK(found.size() == std::min<std::size_t>(count, 20000));
    CHECK(found.front().text == fmt::format("{}\n", 20000 - found.size()));
    CHECK(found.back().text == "19999\n");
  }
}

TEST_CASE("following sees records that are written later, up to the last one") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  LogWriter log(json_log(path));
  log.append(Stream::out, "1\n");
  int rounds = 0;
  const auto follow = [&] {
    if (rounds == 1) log.append(Stream::out, "2\n");
    return rounds++ < 1;
  };
  CHECK(text_of(records(path, {.tail = {}, .since = {}, .follow = follow})) == "1\n2\n");
}

TEST_CASE("lines that are no records are skipped and an absent log is empty") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  CHECK(records(path).empty());
  write_file_atomic(path, "garbage\n[]\n{\"log\":3}\n");
  CHECK(records(path).empty());
}

TEST_CASE("files of a log that were put aside are read as one") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/log";
  LogWriter log(json_log(path, {200, 3}));
  for (int i = 0; i < 5; ++i) log.append(Stream::out, fmt::format("line {}\n", i));
  CHECK(path_exists(path + ".2"));
  CHECK(text_of(records(path)) == "line 0\nline 1\nline 2\nline 3\nline 4\n");
  CHECK(text_of(records(path, {.tail = 3})) == "line 2\nline 3\nline 4\n");
}

TEST_CASE("the journal gets a datagram for each record, and one that nobody reads is lost") {
  TemporaryPlaces temporary;
  const std::string path = temporary.root + "/socket";
  const Fd journal(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  REQUIRE(::bind(journal.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address) == 0);
  Spec spec;
  spec.id = std::string(64, 'a');
  spec.name = "box";
  spec.image = "busybox";
  LogWriter log(journal_log(spec, path));
  log.append(Stream::err, "a\xff\nrest");
  log.finish();
  const auto next = [&] {
    char buffer[4096];
    const ssize_t size = ::recv(journal.get(), buffer, sizeof buffer, 0);
    return std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  };
  const auto field = [](std::string name, const std::string& value) {
    return name + "\n" + static_cast<char>(value.size()) + std::string(7, '\0') + value + "\n";
  };
  const std::string whole = next(), rest = next();
  CHECK(whole.find(field("MESSAGE", "a\xff")) != std::string::npos);
  CHECK(whole.find(field("PRIORITY", "3")) != std::string::npos);
  CHECK(whole.find(field("CONTAINER_NAME", "box")) != std::string::npos);
  CHECK(whole.find(field("CONTAINER_ID_FULL", spec.id)) != std::string::npos);
  CHECK(whole.find("PARTIAL") == std::string::npos);
  CHECK(rest.find(field("CONTAINER_PARTIAL_MESSAGE", "true")) != std::string::npos);
  CHECK(next().empty());
  std::string many;
  for (int i = 0; i < 100000; ++i) many += "x\n";
  log.append(Stream::out, many);  // returns
}
