// See build_context.h.
#include "sandbox/engine/build_context.h"

#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "fuse-overlay/store/apply.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/build/tree.h"
#include "sandbox/image/layout.h"

namespace sandbox::engine {
namespace {

bool is_remote(const std::string& context) {
  for (const char* scheme : {"http://", "https://", "git://", "git@", "ssh://", "github.com/", "oci-layout://"}) {
    if (context.starts_with(scheme)) return true;
  }
  return false;
}

std::string real_directory(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (!real) throw NotFound(fmt::format("unable to prepare context: path \"{}\" not found", path));
  const auto status = sys::fstatat(AT_FDCWD, real.get(), 0);
  if (!status || !S_ISDIR(status->st_mode)) {
    throw InvalidInput(fmt::format("unable to prepare context: \"{}\" is not a directory", path),
                       "the context is a directory; -f names the Dockerfile");
  }
  return real.get();
}

/// A tar, plain or compressed, by its first bytes.
bool is_archive(std::string_view start) {
  return start.starts_with("\x1f\x8b") || start.starts_with("\x28\xb5\x2f\xfd") || start.starts_with("BZh") ||
         start.starts_with(std::string_view("\xfd\x37zXZ\0", 6)) ||
         (start.size() >= 262 && start.substr(257, 5) == "ustar");
}

/// Standard input as a file in `directory`.
std::string receive(const std::string& directory) {
  std::string path = directory + "/input";
  const Fd out =
      sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600) | or_throw("creating '{}'", path);
  std::vector<char> buffer(1U << 17);
  for (std::uint64_t size = 0;;) {
    const std::size_t count =
        sys::read(STDIN_FILENO, buffer.data(), buffer.size()) | or_throw("reading standard input");
    if (count == 0) return path;
    size += count;
    if (size > image::max_content) throw InvalidInput("the context on standard input is larger than 64 GiB");
    sys::write_all(out.get(), buffer.data(), count) | or_throw("writing '{}'", path);
  }
}

/// A Dockerfile, or an archive with one.
void take_standard_input(const image::ImageStore& store, BuildContext& context) {
  context.unpacked = std::shared_ptr<image::Staged>(new image::Staged(store.stage()));
  const std::string& place = context.unpacked->path();
  sys::mkdirat(AT_FDCWD, place.c_str(), 0700) | or_throw("creating '{}'", place);
  const std::string input = receive(place);
  const Fd file = sys::openat(AT_FDCWD, input.c_str(), O_RDONLY) | or_throw("opening '{}'", input);
  std::array<char, 512> start{};
  const std::size_t size = sys::pread(file.get(), start.data(), start.size(), 0) | or_throw("reading '{}'", input);
  if (!is_archive({start.data(), size})) {
    context.file = "Dockerfile";
    context.text = read_to_end(file.get(), "the Dockerfile on standard input", build::max_dockerfile);
    return;
  }
  const std::string files = place + "/fs";
  sys::mkdirat(AT_FDCWD, files.c_str(), 0755) | or_throw("creating '{}'", files);
  const Fd directory = sys::openat(AT_FDCWD, files.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", files);
  (void)overlay::apply_layer(file.get(), directory.get(), {});
  context.directory = files;
}

std::string read_dockerfile(const std::string& path) {
  try {
    return read_file(path, build::max_dockerfile);
  } catch (const SysError& error) {
    if (error.code() != ENOENT && error.code() != ENOTDIR) throw;
    throw NotFound(fmt::format("failed to read dockerfile: open {}: no such file or directory", path));
  }
}

/// The Dockerfile's path below `directory` of a stranger's archive; no link leads out of it.
std::string read_dockerfile_within(const std::string& directory, const std::string& name) {
  const Fd root =
      sys::openat(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", directory);
  const auto file =
      sys::openat2(root.get(), name.c_str(), O_RDONLY | O_NONBLOCK, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (!file) throw NotFound(fmt::format("failed to read dockerfile: open {}: {}", name, file.error().message()));
  return read_to_end(file->get(), fmt::format("'{}'", name), build::max_dockerfile);
}

build::IgnoreRules read_rules(const BuildContext& context, const std::string& dockerfile) {
  for (const std::string& path : {dockerfile + ".dockerignore", context.directory + "/.dockerignore"}) {
    if (path == ".dockerignore" || !path_exists(path)) continue;
    try {
      return build::IgnoreRules::parse(read_file(path, build::max_dockerfile));
    } catch (const InvalidInput& error) {
      throw InvalidInput(fmt::format("{}: {}", path, error.what()));
    }
  }
  return {};
}

}  // namespace

BuildContext open_context(const image::ImageStore& store, const BuildRequest& request) {
  if (is_remote(request.context)) {
    throw Unsupported(fmt::format("'{}': contexts are directories, or archives on standard input", request.context),
                      "fetch it first, and build from the directory");
  }
  BuildContext context;
  if (request.context == "-") {
    if (request.dockerfile == "-")
      throw UsageError("invalid argument: can't use stdin for both build context and dockerfile");
    take_standard_input(store, context);
    if (context.directory.empty()) return context;
    context.file = request.dockerfile.empty() ? "Dockerfile" : request.dockerfile;
    context.text = read_dockerfile_within(context.directory, context.file);
    context.ignored = read_rules(context, "");
    return context;
  }
  context.directory = real_directory(request.context);
  if (request.dockerfile == "-") {
    context.file = "Dockerfile";
    context.text = read_to_end(STDIN_FILENO, "the Dockerfile on standard input", build::max_dockerfile);
    context.ignored = read_rules(context, "");
    return context;
  }
  context.file = request.dockerfile.empty() ? context.directory + "/Dockerfile" : request.dockerfile;
  context.text = read_dockerfile(context.file);
  context.ignored = read_rules(context, context.file);
  if (request.dockerfile.empty()) context.file = "Dockerfile";
  return context;
}

}  // namespace sandbox::engine
