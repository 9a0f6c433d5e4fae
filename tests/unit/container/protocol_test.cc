#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/container/protocol.h"
#include "sandbox/container/terminal.h"

using namespace sandbox;
using namespace sandbox::container;

TEST_CASE("frames come back from a stream that is cut anywhere") {
  const std::string bytes = encode_frame(FrameType::stdout_data, "hello") + encode_frame(FrameType::stdin_eof) +
                            encode_frame(FrameType::stderr_data, std::string(70000, 'x'));
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, bytes.size()}) {
    FrameReader reader;
    std::vector<Frame> frames;
    for (std::size_t i = 0; i < bytes.size(); i += step) {
      reader.feed(std::string_view(bytes).substr(i, step));
      while (auto frame = reader.next()) frames.push_back(*frame);
    }
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].payload == "hello");
    CHECK(frames[1].type == FrameType::stdin_eof);
    CHECK(frames[2].payload.size() == 70000);
  }
}

TEST_CASE("an oversize frame is refused from its header alone") {
  FrameReader reader;
  reader.feed(std::string(1, '\2') + encode_u32((1U << 20) + 1));
  CHECK_THROWS_AS(reader.next(), InvalidInput);
  CHECK_THROWS_AS(encode_frame(FrameType::stdin_data, std::string((1U << 20) + 1, 'x')), InvalidInput);
  FrameReader largest;
  largest.feed(encode_frame(FrameType::stdin_data, std::string(1U << 20, 'x')));
  CHECK(largest.next()->payload.size() == 1U << 20);
}

TEST_CASE("an exec request comes back with its filter") {
  ExecRequest request;
  request.process.argv = {"sh"};
  request.process.uid = 7;
  request.process.seccomp.resize(16, std::byte{0xFE});
  request.open_stdin = true;
  request.passed = 2;
  const ExecRequest read = decode_exec(encode_exec(request));
  CHECK(read.process.argv == request.process.argv);
  CHECK(read.process.uid == 7);
  CHECK(read.process.seccomp == request.process.seccomp);
  CHECK(read.open_stdin);
  CHECK(read.passed == 2);
}

TEST_CASE("a failure to start keeps its code and its hint") {
  const StartFailure read = decode_failure(encode_failure({"no room", 126, "make some"}));
  CHECK(std::string(read.what()) == "no room");
  CHECK(read.exit_code() == 126);
  CHECK(read.hint() == "make some");
  CHECK(decode_failure(encode_failure({"no room", 125})).hint().empty());
  CHECK(decode_failure("").exit_code() == 125);
  CHECK(encode_failure({std::string(3U << 20, 'x'), 1, std::string(3U << 20, 'y')}).size() <= max_payload);
}

TEST_CASE("malformed exec requests are refused") {
  CHECK_THROWS_AS(decode_exec(""), InvalidInput);
  CHECK_THROWS_AS(decode_exec(encode_u32(100) + "{}"), InvalidInput);
  CHECK_THROWS_AS(decode_exec(encode_u32(2) + "{}"), InvalidInput);
  CHECK_THROWS_AS(decode_exec(encode_u32(2) + "[]"), InvalidInput);
  CHECK_THROWS_AS(decode_exec(encode_exec({}) + "x"), InvalidInput);
}

TEST_CASE("ctrl-p ctrl-q detaches and a lone ctrl-p goes through with the next key") {
  DetachKeys keys("\x10\x11");
  CHECK(keys.filter("ab\x10").value() == "ab");
  CHECK(keys.filter("c").value() == "\x10" "c");
  CHECK(keys.filter("\x10\x10").value() == "\x10");
  CHECK_FALSE(keys.filter("\x11").has_value());
}

TEST_CASE("a broken sequence of detach keys may be the beginning of another one") {
  DetachKeys keys("aab");
  CHECK(keys.filter("aa").value().empty());
  CHECK(keys.filter("a").value() == "a");
  CHECK_FALSE(keys.filter("b").has_value());
  DetachKeys none("");
  CHECK(none.filter("ab\x10\x11").value() == "ab\x10\x11");
}

TEST_CASE("detach keys are written as Docker's") {
  CHECK(parse_detach_keys("ctrl-p,ctrl-q") == "\x10\x11");
  CHECK(parse_detach_keys("a,ctrl-[,ctrl-@") == std::string("a\x1b\0", 3));
  CHECK(parse_detach_keys("").empty());
  for (const char* words : {"ctrl-", "ctrl-1", "ctrl-pp", "ab", "a,,b"}) CHECK_THROWS_AS(parse_detach_keys(words), UsageError);
}
