#include "sandbox/cgroup/device_program.h"

#include <linux/bpf.h>

#include <algorithm>
#include <span>

#include "sandbox/base/sys.h"

namespace sandbox::cgroup {
namespace {

static_assert(kMakeNode == BPF_DEVCG_ACC_MKNOD && kReadDevice == BPF_DEVCG_ACC_READ &&
              kWriteDevice == BPF_DEVCG_ACC_WRITE);

constexpr const char* program_name = "sandbox_devices";  // at most 15 bytes (BPF_OBJ_NAME_LEN)

// The registers of the program. The first one is the kernel's: struct bpf_cgroup_dev_ctx.
constexpr std::uint8_t result = BPF_REG_0, context = BPF_REG_1, wanted = BPF_REG_2, type = BPF_REG_3, major = BPF_REG_4,
                       minor = BPF_REG_5;

class Assembler {
 public:
  Assembler() {
    load(wanted, offsetof(bpf_cgroup_dev_ctx, access_type));  // (access << 16) | type
    emit(BPF_ALU | BPF_MOV | BPF_X, type, wanted);
    emit(BPF_ALU | BPF_AND | BPF_K, type, 0, 0xffff);
    emit(BPF_ALU | BPF_RSH | BPF_K, wanted, 0, 16);
    load(major, offsetof(bpf_cgroup_dev_ctx, major));
    load(minor, offsetof(bpf_cgroup_dev_ctx, minor));
  }

  /// `wanted` holds what no later rule has decided.
  void add(const DeviceRule& rule) {
    std::vector<std::size_t> otherwise;  // jumps behind this rule
    const auto must_equal = [&](std::uint8_t reg, std::uint32_t value) {
      otherwise.push_back(code_.size());
      emit(BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, value);
    };
    if (rule.type != DeviceType::any)
      must_equal(type, rule.type == DeviceType::block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    if (rule.major) must_equal(major, *rule.major);
    if (rule.minor) must_equal(minor, *rule.minor);
    if (rule.allow) {
      emit(BPF_ALU | BPF_AND | BPF_K, wanted, 0, kAllAccess & ~rule.access);
      must_equal(wanted, 0);
    } else {
      emit(BPF_JMP32 | BPF_JSET | BPF_K, wanted, 0, rule.access, 1);
      otherwise.push_back(code_.size());
      emit(BPF_JMP | BPF_JA, 0, 0);
    }
    answer(rule.allow);
    for (const std::size_t jump : otherwise) code_[jump].off = static_cast<std::int16_t>(code_.size() - jump - 1);
  }

  void answer(bool allowed) {
    emit(BPF_ALU | BPF_MOV | BPF_K, result, 0, allowed ? 1 : 0);
    emit(BPF_JMP | BPF_EXIT, 0, 0);
  }

  std::vector<std::byte> bytes() const {
    const auto view = std::as_bytes(std::span(code_));
    return {view.begin(), view.end()};
  }

 private:
  void load(std::uint8_t reg, std::size_t offset) {
    emit(BPF_LDX | BPF_MEM | BPF_W, reg, context, 0, static_cast<std::int16_t>(offset));
  }
  void emit(unsigned operation, std::uint8_t destination, std::uint8_t source, std::uint32_t value = 0,
            std::int16_t offset = 0) {
    bpf_insn step{};
    step.code = static_cast<std::uint8_t>(operation);
    step.dst_reg = destination & 0xf;
    step.src_reg = source & 0xf;
    step.off = offset;
    step.imm = static_cast<std::int32_t>(value);
    code_.push_back(step);
  }
  std::vector<bpf_insn> code_;
};

/// The program of ours that the cgroup has; none without one.
Fd attached_program(int cgroup) {
  const auto ids =
      sys::bpf_attached_programs(cgroup, BPF_CGROUP_DEVICE) | or_throw("asking for a cgroup's BPF programs");
  for (const std::uint32_t id : ids) {
    auto program = sys::bpf_open_program(id);
    if (program && sys::bpf_program_name(program->get()).value_or("") == program_name) return std::move(*program);
  }
  return {};
}

}  // namespace

std::vector<std::byte> compile_device_rules(const std::vector<DeviceRule>& rules) {
  Assembler program;
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) program.add(*rule);
  program.answer(false);
  return program.bytes();
}

Result<Fd> load_device_program(const std::vector<std::byte>& program) {
  return sys::bpf_load_program(BPF_PROG_TYPE_CGROUP_DEVICE, program, program_name);
}

void attach_device_program(int cgroup, int program) {
  const Fd before = attached_program(cgroup);
  sys::bpf_attach_program(cgroup, program, BPF_CGROUP_DEVICE, before.get()) |
      or_throw("linux.resources.devices: attaching a BPF program to the cgroup");
}

}  // namespace sandbox::cgroup
