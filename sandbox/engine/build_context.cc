// See build_context.h.
#include "sandbox/engine/build_context.h"

#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <vector>

#include "fuse-overlay/store/apply.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/build/remote_source.h"
#include "sandbox/build/tree.h"
#include "sandbox/engine/remote_files.h"
#include "sandbox/image/layout.h"

namespace sandbox::engine {
namespace {

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

/// A new place for a context's files.
const std::string& make_place(const image::ImageStore& store, ContextFiles& context) {
  context.unpacked = std::shared_ptr<image::Staged>(new image::Staged(store.stage()));
  const std::string& place = context.unpacked->path();
  for (const std::string& directory : {place, place + "/fs"}) {
    sys::mkdirat(AT_FDCWD, directory.c_str(), 0755) | or_throw("creating '{}'", directory);
  }
  return place;
}

/// Takes the file `input` as the context's files, if it is an archive.
bool take_archive(const std::string& input, ContextFiles& context) {
  const Fd file = sys::openat(AT_FDCWD, input.c_str(), O_RDONLY) | or_throw("opening '{}'", input);
  std::array<char, 512> start{};
  const std::size_t size = sys::pread(file.get(), start.data(), start.size(), 0) | or_throw("reading '{}'", input);
  if (!is_archive({start.data(), size})) return false;
  const std::string files = context.unpacked->path() + "/fs";
  const Fd directory = sys::openat(AT_FDCWD, files.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", files);
  (void)overlay::apply_layer(file.get(), directory.get(), {});
  context.directory = files;
  return true;
}

/// `inner` below `directory`, which a stranger has filled: no link leads out of it.
std::string directory_within(const std::string& directory, const std::string& inner) {
  if (inner.empty()) return directory;
  const Fd root =
      sys::openat(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", directory);
  const auto found =
      sys::openat2(root.get(), inner.c_str(), O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (!found) throw NotFound(fmt::format("'{}' of the repository: {}", inner, found.error().message()));
  return sys::readlinkat(AT_FDCWD, fmt::format("/proc/self/fd/{}", found->get()).c_str()) |
         or_throw("looking for '{}'", inner);
}

void take_repository(const image::ImageStore& store, const std::string& url, ContextFiles& context) {
  const build::GitSource source = build::parse_git_url(url);
  const std::string files = make_place(store, context) + "/fs";
  (void)clone(source, files, false);
  context.directory = directory_within(files, source.directory);
}

/// In a child: what fetches may have threads.
Download download_apart(const std::string& url, const std::string& path) {
  const Json answer = Json::parse(ask_child([&] {
    const Download got = download(url, path);
    return Json{{"digest", got.digest}, {"last_modified", got.last_modified}}.dump();
  }));
  return {answer.at("digest"), answer.at("last_modified")};
}

/// The file that is the context, or an archive of it, is at `input`: takes one or the other.
void take_file(const std::string& input, const char* what, BuildContext& context) {
  if (take_archive(input, context)) return;
  context.file = "Dockerfile";
  const Fd file = sys::openat(AT_FDCWD, input.c_str(), O_RDONLY) | or_throw("opening '{}'", input);
  context.text = read_to_end(file.get(), what, build::max_dockerfile);
}

std::string read_dockerfile(const std::string& path) {
  try {
    return read_file(path, build::max_dockerfile);
  } catch (const SysError& error) {
    if (error.code() != ENOENT && error.code() != ENOTDIR) throw;
    throw NotFound(fmt::format("failed to read dockerfile: open {}: no such file or directory", path));
  }
}

/// The file `name` below `directory`, which a stranger has filled: no link leads out of it. None when it isn't there.
std::optional<std::string> read_within(const std::string& directory, const std::string& name) {
  const Fd root =
      sys::openat(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", directory);
  const auto file =
      sys::openat2(root.get(), name.c_str(), O_RDONLY | O_NONBLOCK, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  if (file) return read_to_end(file->get(), fmt::format("'{}'", name), build::max_dockerfile);
  if (file.error().value == ENOENT || file.error().value == ENOTDIR) return {};
  throw SysError(file.error(), fmt::format("opening '{}' of the context", name));
}

std::string read_dockerfile_within(const std::string& directory, const std::string& name) {
  if (auto text = read_within(directory, name)) return std::move(*text);
  throw NotFound(fmt::format("failed to read dockerfile: open {}: no such file or directory", name));
}

build::IgnoreRules parse_rules(const std::string& file, const std::string& text) {
  try {
    return build::IgnoreRules::parse(text);
  } catch (const InvalidInput& error) {
    throw InvalidInput(fmt::format("{}: {}", file, error.what()));
  }
}

constexpr const char* kIgnore = ".dockerignore";

/// A Dockerfile may have rules of its own. `dockerfile`: its path, or below the stranger's directory; empty: it is from
/// elsewhere.
build::IgnoreRules read_rules(const ContextFiles& context, const std::string& dockerfile) {
  const bool strange = context.unpacked != nullptr;
  std::vector<std::string> files;
  if (!dockerfile.empty()) files.push_back(dockerfile + kIgnore);
  files.push_back(strange ? kIgnore : fmt::format("{}/{}", context.directory, kIgnore));
  for (const std::string& file : files) {
    std::optional<std::string> text;
    if (strange)
      text = read_within(context.directory, file);
    else if (path_exists(file))
      text = read_file(file, build::max_dockerfile);
    if (text) return parse_rules(file, *text);
  }
  return {};
}

void take_context(const image::ImageStore& store, const BuildRequest& request, BuildContext& context) {
  if (request.context == "-") {
    if (request.dockerfile == "-")
      throw UsageError("invalid argument: can't use stdin for both build context and dockerfile");
    take_file(receive(make_place(store, context)), "the Dockerfile on standard input", context);
  } else if (build::is_git_url(request.context)) {
    take_repository(store, request.context, context);
  } else if (build::is_http_url(request.context)) {
    const std::string input = make_place(store, context) + "/input";
    (void)download_apart(request.context, input);
    take_file(input, "the Dockerfile", context);
  } else {
    context.directory = real_directory(request.context);
  }
}

}  // namespace

BuildContext open_context(const image::ImageStore& store, const BuildRequest& request) {
  BuildContext context;
  take_context(store, request, context);
  const bool fetched = context.unpacked != nullptr;
  if (context.directory.empty()) return context;
  context.file = request.dockerfile.empty() || request.dockerfile == "-" ? "Dockerfile" : request.dockerfile;
  if (request.dockerfile == "-") {
    context.text = read_to_end(STDIN_FILENO, "the Dockerfile on standard input", build::max_dockerfile);
    context.ignored = read_rules(context, "");
  } else if (fetched) {
    context.text = read_dockerfile_within(context.directory, context.file);
    context.ignored = read_rules(context, context.file);
  } else {
    const std::string path = request.dockerfile.empty() ? context.directory + "/Dockerfile" : request.dockerfile;
    context.text = read_dockerfile(path);
    context.ignored = read_rules(context, path);
  }
  return context;
}

ContextFiles open_named_context(const image::ImageStore& store, const std::string& place) {
  ContextFiles context;
  if (build::is_git_url(place)) {
    take_repository(store, place, context);
  } else if (build::is_http_url(place)) {
    const std::string input = make_place(store, context) + "/input";
    (void)download_apart(place, input);
    if (!take_archive(input, context)) throw InvalidInput(fmt::format("'{}' is no archive", place));
  } else {
    context.directory = real_directory(place);
    context.ignored = read_rules(context, "");
  }
  return context;
}

build::Fetched fetch(const build::FetchOp& op, const std::string& place) {
  sys::mkdirat(AT_FDCWD, place.c_str(), 0755) | or_throw("creating '{}'", place);
  const std::string files = place + "/fs";
  sys::mkdirat(AT_FDCWD, files.c_str(), 0755) | or_throw("creating '{}'", files);
  if (build::is_git_url(op.url)) {
    build::GitSource source = build::parse_git_url(op.url);
    if (!op.checksum.empty()) source.commit = op.checksum;
    const std::string commit = clone(source, files, op.keep_git_dir);
    return {op, commit + " " + source.directory, directory_within(files, source.directory)};
  }
  const std::string name = build::file_name_of(op.url), path = files + "/" + (name.empty() ? "file" : name);
  const Download got = download_apart(op.url, path);
  if (!op.checksum.empty() && got.digest != op.checksum) {
    throw InvalidInput(fmt::format("digest mismatch {}: {}", got.digest, op.checksum));
  }
  const timespec times[2] = {{got.last_modified, 0}, {got.last_modified, 0}};
  sys::utimensat(AT_FDCWD, path.c_str(), times, 0) | or_throw("setting the time of '{}'", path);
  return {op, got.digest, files};
}

}  // namespace sandbox::engine
