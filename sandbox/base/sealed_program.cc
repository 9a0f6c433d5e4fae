#include "sandbox/base/sealed_program.h"

#include <errno.h>
#include <link.h>
#include <linux/mount.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/places.h"
#include "sandbox/base/sys.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // linux/memfd.h since 6.3
#endif

namespace sandbox {
namespace {

constexpr int all_seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

/// Whether a process of this user's could change the file, or could give itself the permission to.
bool is_exposed(const std::string& path, const struct stat& status) {
  return status.st_uid == ::geteuid() || ::access(path.c_str(), W_OK) == 0;
}

/// Whether continue_on_read_only_mount() has got us here.
bool is_on_own_mount(const Fd& program) {
  struct statx status{};
  struct statvfs filesystem{};
  return ::statx(program.get(), "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 &&
         (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 && ::fstatvfs(program.get(), &filesystem) == 0 &&
         (filesystem.f_flag & ST_RDONLY) != 0;
}

bool is_exposed(const Fd& program, const struct stat& status) {
  if (::fcntl(program.get(), F_GET_SEALS) >= 0 || is_on_own_mount(program)) return false;
  return is_exposed("/proc/self/exe", status);
}

/// What this program's own headers say of its file (elf(5)).
struct Layout {
  std::string linker;    ///< Path of the dynamic linker that has loaded it (PT_INTERP); empty: none.
  off_t loaded = 0;      ///< Where what is loaded of it ends; symbols and debugging information follow.
  std::string build_id;  ///< Hexadecimal; empty: none.
};

/// The build ID among the notes of one segment: what belongs to a note begins at multiples of the alignment.
std::string find_build_id(std::string_view notes, std::size_t alignment) {
  const auto aligned = [&](std::size_t size) { return (size + alignment - 1) / alignment * alignment; };
  ElfW(Nhdr) note;
  while (notes.size() > sizeof note) {
    std::memcpy(&note, notes.data(), sizeof note);
    const std::size_t value = aligned(sizeof note + note.n_namesz);
    if (note.n_type == NT_GNU_BUILD_ID && notes.substr(sizeof note).starts_with(ELF_NOTE_GNU)) {
      std::string text;
      for (const char byte : notes.substr(value, note.n_descsz)) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
      }
      return text;
    }
    notes.remove_prefix(std::min(notes.size(), aligned(value + note.n_descsz)));
  }
  return {};
}

Layout own_layout() {
  Layout layout;
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* result) {
        Layout& found = *static_cast<Layout*>(result);
        for (const auto& header : std::span(object->dlpi_phdr, object->dlpi_phnum)) {
          const char* const content = reinterpret_cast<const char*>(object->dlpi_addr + header.p_vaddr);
          if (header.p_type == PT_INTERP) found.linker = content;
          if (header.p_type == PT_LOAD) {
            found.loaded = std::max(found.loaded, static_cast<off_t>(header.p_offset + header.p_filesz));
          }
          if (header.p_type == PT_NOTE && found.build_id.empty()) {
            found.build_id = find_build_id({content, header.p_memsz}, std::max<std::size_t>(header.p_align, 4));
          }
        }
        return 1;  // the first object is the program
      },
      &layout);
  return layout;
}

/// Returns where the linker can't do it: it is the user's as well, or the program's file is no longer at its path.
void continue_through_linker(const struct stat& program, char* const* argv) {
  const std::string linker = own_layout().linker, path = executable_path();
  const auto linker_status = sys::fstatat(AT_FDCWD, linker.c_str(), 0);
  if (!linker_status || is_exposed(linker, *linker_status)) return;
  const auto found = sys::fstatat(AT_FDCWD, path.c_str(), 0);
  if (!found || found->st_dev != program.st_dev || found->st_ino != program.st_ino) return;
  std::vector<std::string> words{linker, "--argv0", argv[0], path};  // ld.so(8)
  for (char* const* word = argv + 1; *word != nullptr; ++word) words.emplace_back(*word);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execve(linker.c_str(), pointers.data(), environ);
}

/// Returns where the caller may not make mounts. Who may, in the user namespace of the container's mounts, can make
/// ours writable again; but such a container shares its user namespace with us, and could do worse to us.
void continue_on_read_only_mount(char* const* argv) {
  const auto mount = sys::open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE);
  if (!mount || !sys::mount_setattr(mount->get(), MOUNT_ATTR_RDONLY, 0, false)) return;
  ::execveat(mount->get(), "", argv, environ, AT_EMPTY_PATH);
}

Fd executable_memory() {
  constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Fd memory(::memfd_create("sandbox", flags | MFD_EXEC));
  if (!memory && errno == EINVAL)
    memory = Fd(::memfd_create("sandbox", flags));  // COMPAT(linux<6.3): always executable
  if (!memory) {
    throw SysError(Errno{errno}, "making a sealed copy of the program",
                   "set vm.memfd_noexec to 0 or 1, or install the program as root's");
  }
  return memory;
}

struct Program {
  Fd file;
  struct stat status;
};

Program own_program() {
  Fd file = sys::openat(AT_FDCWD, "/proc/self/exe", O_RDONLY) | or_throw("opening '/proc/self/exe'");
  const struct stat status = sys::fstat(file.get()) | or_throw("reading '/proc/self/exe'");
  return {std::move(file), status};
}

Fd sealed_copy(const Program& program) {
  const off_t size = own_layout().loaded;
  Fd copy = executable_memory();
  for (off_t done = 0; done < size;) {
    const ssize_t count = ::sendfile(copy.get(), program.file.get(), &done, static_cast<std::size_t>(size - done));
    if (count < 0) throw SysError(Errno{errno}, "copying the program");
    if (count == 0) throw Error("the program's file has become shorter while it was copied");
  }
  if (::fcntl(copy.get(), F_ADD_SEALS, all_seals) < 0) {
    throw SysError(Errno{errno}, "sealing the copy of the program");
  }
  return copy;
}

}  // namespace

Fd sealed_program() {
  const Program program = own_program();
  return is_exposed(program.file, program.status) ? sealed_copy(program) : Fd{};
}

Fd if_sealed(Fd executable) {
  if (::fcntl(executable.get(), F_GET_SEALS) != all_seals) executable.reset();  // -1: not in memory
  return executable;
}

std::string program_identity() {
  std::string build_id = own_layout().build_id;
  if (build_id.empty()) throw Error("the program has no build ID");
  return build_id;
}

void continue_out_of_reach(char* const* argv) {
  const Program program = own_program();
  if (!is_exposed(program.file, program.status)) return;
  continue_through_linker(program.status, argv);
  continue_on_read_only_mount(argv);
  const Fd copy = sealed_copy(program);
  ::execve(fmt::format("/proc/self/fd/{}", copy.get()).c_str(), argv, environ);
  throw SysError(Errno{errno}, "executing the sealed copy of the program");
}

}  // namespace sandbox
