// Rules for devices as a BPF program, run by a small evaluator of the instructions that it consists of.
#include "sandbox/cgroup/device_program.h"

#include <doctest/doctest.h>
#include <linux/bpf.h>

#include <cstring>
#include <stdexcept>

using namespace sandbox::cgroup;

namespace {

constexpr DeviceType block = DeviceType::block, character = DeviceType::character;

std::vector<bpf_insn> decode(const std::vector<std::byte>& bytes) {
  std::vector<bpf_insn> code(bytes.size() / sizeof(bpf_insn));
  std::memcpy(code.data(), bytes.data(), bytes.size());
  return code;
}

/// The program's answer to the kernel's question.
bool run(const std::vector<bpf_insn>& code, const bpf_cgroup_dev_ctx& question) {
  std::uint64_t registers[11] = {};
  for (std::size_t at = 0; at < code.size(); ++at) {
    const bpf_insn& step = code[at];
    std::uint64_t& target = registers[step.dst_reg];
    const auto low = static_cast<std::uint32_t>(target), value = static_cast<std::uint32_t>(step.imm);
    std::uint32_t loaded = 0;
    bool jump = false;
    switch (step.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        std::memcpy(&loaded, reinterpret_cast<const char*>(&question) + step.off, sizeof loaded);
        target = loaded;
        break;
      case BPF_ALU | BPF_MOV | BPF_X:
        target = static_cast<std::uint32_t>(registers[step.src_reg]);
        break;
      case BPF_ALU | BPF_MOV | BPF_K:
        target = value;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        target = low & value;
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        target = low >> value;
        break;
      case BPF_JMP32 | BPF_JNE | BPF_K:
        jump = low != value;
        break;
      case BPF_JMP32 | BPF_JSET | BPF_K:
        jump = (low & value) != 0;
        break;
      case BPF_JMP | BPF_JA:
        jump = true;
        break;
      case BPF_JMP | BPF_EXIT:
        return registers[0] != 0;
      default:
        throw std::runtime_error("an instruction that no program of ours has");
    }
    if (jump) at += static_cast<std::size_t>(step.off);
  }
  throw std::runtime_error("the program ends without an answer");
}

bool allows(const std::vector<DeviceRule>& rules, DeviceType type, std::uint32_t major, std::uint32_t minor,
            std::uint32_t access) {
  const std::uint32_t kind = type == block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
  return run(decode(compile_device_rules(rules)), {access << 16 | kind, major, minor});
}

}  // namespace

TEST_CASE("what no rule fits is denied") {
  CHECK_FALSE(allows({}, character, 1, 3, kReadDevice));
  CHECK_FALSE(allows({{true, block, 8, 0}}, character, 8, 0, kReadDevice));
  CHECK_FALSE(allows({{true, block, 8, 0}}, block, 8, 1, kReadDevice));
  CHECK_FALSE(allows({{true, block, 8, 0}}, block, 9, 0, kReadDevice));
  CHECK(allows({{true, block, 8, 0}}, block, 8, 0, kAllAccess));
}

TEST_CASE("absent members fit everything") {
  CHECK(allows({{true}}, block, 8, 0, kAllAccess));
  CHECK(allows({{true, character, 136, {}}}, character, 136, 77, kReadDevice | kWriteDevice));
  CHECK(allows({{true, character, {}, {}, kMakeNode}}, character, 250, 9, kMakeNode));
  CHECK_FALSE(allows({{true, character, {}, {}, kMakeNode}}, character, 250, 9, kReadDevice));
  CHECK(allows({{true, DeviceType::any, {}, 3}}, block, 99, 3, kReadDevice));
}

TEST_CASE("the last rule that fits decides, for each kind of access") {
  const std::vector<DeviceRule> rules{
      {false}, {true, character, 1, {}, kReadDevice}, {true, character, 1, 3, kWriteDevice}};
  CHECK(allows(rules, character, 1, 5, kReadDevice));
  CHECK_FALSE(allows(rules, character, 1, 5, kWriteDevice));
  CHECK(allows(rules, character, 1, 3, kReadDevice | kWriteDevice));  // two rules together
  CHECK_FALSE(allows(rules, character, 1, 3, kAllAccess));
  CHECK_FALSE(allows({{true}, {false, block, 8, {}, kWriteDevice}}, block, 8, 1, kReadDevice | kWriteDevice));
  CHECK(allows({{true}, {false, block, 8, {}, kWriteDevice}}, block, 8, 1, kReadDevice));
  CHECK(allows({{true}, {false, block, 8, {}, kWriteDevice}}, block, 9, 1, kAllAccess));
  CHECK_FALSE(allows({{true}, {false}}, character, 1, 3, kReadDevice));
  CHECK(allows({{false}, {true}}, character, 1, 3, kReadDevice));
}

TEST_CASE("numbers are compared as 32 bits") {
  CHECK(allows({{true, character, 0xfffffffe, 0x80000000}}, character, 0xfffffffe, 0x80000000, kReadDevice));
  CHECK_FALSE(allows({{true, character, 0xfffffffe, 0}}, character, 0xffffffff, 0, kReadDevice));
}

TEST_CASE("no jump leaves the program, however many rules there are") {
  std::vector<DeviceRule> rules;
  for (std::uint32_t i = 0; i < 10'000; ++i) rules.push_back({i % 2 == 0, i % 3 == 0 ? block : character, i, i});
  CHECK(allows(rules, block, 0, 0, kReadDevice));
  CHECK_FALSE(allows(rules, character, 5, 5, kReadDevice));
  CHECK(allows(rules, character, 9998, 9998, kReadDevice));
}
