// See copy_step.h.
#include "sandbox/engine/copy_step.h"

#include <algorithm>
#include <deque>

#include "fuse-overlay/store/apply.h"
#include "fuse-overlay/store/layer_records.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "sandbox/build/copy_layer.h"
#include "sandbox/build/path_pattern.h"
#include "sandbox/build/remote_source.h"
#include "sandbox/build/step_inputs.h"
#include "sandbox/engine/identity.h"
#include "sandbox/image/archive_reader.h"
#include "sandbox/image/layout.h"

namespace sandbox::engine {
namespace {

using build::CopySource;
using build::FileTree;

std::string main_directory(const CopyStep& step) {
  if (step.context.directory.empty()) throw InvalidInput("there is no build context to copy from");
  return step.context.directory;
}

/// Where the copy's paths are looked up: the context, or another vertex's files.
CopySource main_source(StepFiles& files, const CopyStep& step) {
  if (step.source != nullptr) return {FileTree(files.unpack(*step.source), true), {}, step.op.excludes};
  return {FileTree({main_directory(step)}, false), step.context.ignored, step.op.excludes};
}

bool is_remote(const CopyStep& step, const std::string& source) {
  return !step.fetched.empty() && build::is_remote(source);
}

/// "user:group" of --chown. Of a number alone the group is the same number, as BuildKit has it.
std::optional<build::CopyOwner> owner_of(const std::string& words, const std::vector<std::string>& layers) {
  if (words.empty()) return {};
  const bool number = words.find_first_not_of("0123456789") == std::string::npos;
  const User user = resolve_user(number ? words + ":" + words : words, read_layer_file(layers, "etc/passwd"),
                                 read_layer_file(layers, "etc/group"));
  return build::CopyOwner{user.uid, user.gid};
}

enum class ArchiveKind { none, layer, other };

/// By its first bytes. layer: a tar that is plain, or compressed as layers may be. It may still be no tar inside.
ArchiveKind archive_kind(int file) {
  char start[512] = {};
  const auto size = sys::pread(file, start, sizeof start, 0);
  if (!size) return ArchiveKind::none;
  const std::string_view text(start, *size);
  if (text.starts_with("\x1f\x8b") || text.starts_with("\x28\xb5\x2f\xfd")) return ArchiveKind::layer;
  if (text.size() == sizeof start && text.substr(257, 5) == "ustar") return ArchiveKind::layer;
  const bool other = text.starts_with("BZh") || text.starts_with(std::string_view("\xfd\x37zXZ\0", 6));
  return other ? ArchiveKind::other : ArchiveKind::none;
}

/// What one copy reads from beside its main source: here-documents, and unpacked archives. Lives until it is written.
class Staging {
 public:
  explicit Staging(const StepFiles& files) : staged_(files.store().stage()), true_owners_(files.true_owners()) {
    sys::mkdirat(AT_FDCWD, staged_.path().c_str(), 0700) | or_throw("creating '{}'", staged_.path());
  }

  /// Returns the directory with the documents as files.
  std::string write(const std::vector<build::Heredoc>& documents, const timespec& now) {
    const std::string directory = new_place() + "/fs";
    make_directory(directory);
    for (const build::Heredoc& document : documents) {
      const std::string path = directory + "/" + document.name;
      write_file_atomic(path, document.content, false, 0644);
      const timespec times[2] = {now, now};
      sys::utimensat(AT_FDCWD, path.c_str(), times, 0) | or_throw("setting the time of '{}'", path);
    }
    return directory;
  }

  /// Where something may be fetched to: a directory that doesn't exist yet.
  std::string fetch_place() { return fmt::format("{}/{}", staged_.path(), ++count_); }

  /// The archive's files. Throws InvalidInput when it is no tar.
  std::string unpack(int file, ArchiveKind kind) {
    const std::string place = new_place(), directory = place + "/fs";
    make_directory(directory);
    if (kind == ArchiveKind::layer) {
      apply(file, place);
      return directory;
    }
    const std::string packed = fmt::format("/proc/self/fd/{}", file), plain = place + "/plain";
    image::require_tar(packed);
    (void)image::uncompressed_digest(packed, DigestAlgorithm::sha256, plain);
    const Fd tar = sys::openat(AT_FDCWD, plain.c_str(), O_RDONLY) | or_throw("opening '{}'", plain);
    apply(tar.get(), place);
    return directory;
  }

 private:
  static void make_directory(const std::string& path) {
    sys::mkdirat(AT_FDCWD, path.c_str(), 0755) | or_throw("creating '{}'", path);
  }
  std::string new_place() {
    std::string place = fmt::format("{}/{}", staged_.path(), ++count_);
    make_directory(place);
    return place;
  }
  /// With what the disk doesn't show beside it, where FileTree looks for it.
  void apply(int tar, const std::string& place) const {
    const Fd into =
        sys::openat(AT_FDCWD, (place + "/fs").c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", place);
    const overlay::AppliedLayer applied = overlay::apply_layer(tar, into.get(), {.change_owner = true_owners_});
    if (applied.owners.empty()) return;
    const std::string owners = applied.owners.dump(-1, ' ', false, Json::error_handler_t::replace);
    write_file_atomic(place + "/owners.json", owners, false);
  }

  image::Staged staged_;
  bool true_owners_;
  int count_ = 0;
};

/// One copy. Made in the step's process; write() is for a child that may read everything.
class CopyWork {
 public:
  CopyWork(StepFiles& files, const CopyStep& step)
      : step_(step),
        true_owners_(files.true_owners()),
        staging_(files),
        base_layers_(files.unpack(step.base)),
        base_(base_layers_, true) {
    if (step.op.sources.size() > step.fetched.size()) sources_.push_back(main_source(files, step));
  }

  overlay::WrittenArchive write(int file) {
    build::CopyOptions options{.destination = step_.op.destination,
                               .owner = owner_of(step_.op.chown, base_layers_),
                               .mode = {},
                               .now = step_.now};
    if (!step_.op.chmod.empty()) options.mode.emplace(step_.op.chmod);
    build::CopyLayer layer(base_, std::move(options));
    std::size_t fetched = 0;
    for (const std::string& pattern : step_.op.sources) {
      if (is_remote(step_, pattern))
        add_fetched(layer, *step_.fetched.at(fetched++)->fetched);
      else
        add_selected(layer, sources_.front(), pattern);
    }
    if (!step_.op.files.empty()) add_documents(layer);
    return layer.write(file, true_owners_);
  }

 private:
  void add_selected(build::CopyLayer& layer, CopySource& source, const std::string& pattern) {
    auto selections = source.select(pattern, step_.op.parents);
    const std::string& destination = step_.op.destination;
    if (selections.size() > 1 && !destination.ends_with('/') && !base_.resolve(destination).is_directory()) {
      throw InvalidInput(fmt::format("'{}' matches {} files: the destination must be a directory and end with a /",
                                     pattern, selections.size()));
    }
    if (step_.op.add) {
      std::erase_if(selections, [&](const auto& selection) { return add_archive(layer, source, selection); });
    }
    layer.add(source, selections, step_.source != nullptr);
  }

  /// A repository's files, or one file; an archive is unpacked only when that is asked for.
  void add_fetched(build::CopyLayer& layer, const build::Fetched& fetched) {
    const std::string& url = fetched.op.url;
    const bool here = !fetched.directory.empty();
    FileTree tree({here ? fetched.directory : fetch(fetched.op, staging_.fetch_place()).directory}, false);
    CopySource& source = sources_.emplace_back(std::move(tree), build::IgnoreRules(), step_.op.excludes);
    if (build::is_git_url(url)) return layer.add(source, {{"", "", "", true}}, false);
    const std::string name = build::file_name_of(url);
    if (name.empty() && (step_.op.destination.ends_with('/') || base_.resolve(step_.op.destination).is_directory()))
      throw InvalidInput(fmt::format("cannot determine filename for source {}", url));
    const build::Selection file{name.empty() ? "file" : name, name, "", false};
    if (step_.op.unpack != true || !add_archive(layer, source, file)) layer.add(source, {file}, false);
  }

  /// False when it is no archive to be unpacked.
  bool add_archive(build::CopyLayer& layer, CopySource& source, const build::Selection& selection) {
    if (selection.directory || step_.op.unpack == false) return false;
    const auto seen = source.tree().find(selection.path);
    if (!seen || !S_ISREG(seen->status.st_mode)) return false;
    const overlay::ObjectAt object = source.tree().object(selection.path, *seen);
    const Fd file = sys::openat(object.directory, object.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK) |
                    or_throw("opening '/{}'", selection.path);
    const ArchiveKind kind = archive_kind(file.get());
    if (kind == ArchiveKind::none) return false;
    try {
      FileTree tree({staging_.unpack(file.get(), kind)}, true);
      CopySource& unpacked = sources_.emplace_back(std::move(tree), build::IgnoreRules(), std::vector<std::string>());
      layer.add(unpacked, {{"", "", "", true}}, true);
      return true;
    } catch (const InvalidInput&) {
      if (step_.op.unpack == true) throw;
      return false;  // compressed, but no tar
    }
  }

  void add_documents(build::CopyLayer& layer) {
    FileTree tree({staging_.write(step_.op.files, step_.now)}, false);
    CopySource& source = sources_.emplace_back(std::move(tree), build::IgnoreRules(), std::vector<std::string>());
    for (const build::Heredoc& file : step_.op.files) layer.add(source, {{file.name, file.name, "", false}}, false);
  }

  const CopyStep& step_;
  bool true_owners_;
  Staging staging_;
  std::vector<std::string> base_layers_;
  FileTree base_;
  std::deque<CopySource> sources_;  // the main one first; they stay where they are
};

void warn_left_out(const std::string& path) {
  fmt::print(stderr, "WARNING: '/{}' has no form in an image and is left out\n", path);
}

struct Wanted {
  std::vector<std::string> patterns;
  bool parents = false;
  std::string cache;  ///< The file of a ContentCache; empty: none.
};

/// Of a directory whose files may be the same ones the next time.
std::string cache_of(const StepFiles& files, const ContextFiles& context) {
  return context.unpacked ? "" : files.content_cache(context.directory);
}

/// Read where the files can be.
Contents contents_of(const StepFiles& files, CopySource& source, const Wanted& wanted) {
  const std::string answer = files.as_root([&] {
    std::optional<build::ContentCache> cache;
    if (!wanted.cache.empty()) source.use(cache.emplace(wanted.cache));
    std::vector<build::Selection> all;
    for (const std::string& pattern : wanted.patterns) {
      for (auto& selection : source.select(pattern, wanted.parents)) all.push_back(std::move(selection));
    }
    Json named = Json::object();
    for (const auto& [path, digest] : build::condensed(source.digests(all))) named[overlay::record_key(path)] = digest;
    if (cache) cache->keep();
    return named.dump();
  });
  return parse_json(answer, "the answer of a child process").get<Contents>();
}

}  // namespace

Contents selected_contents(StepFiles& files, const CopyStep& step) {
  Contents contents;
  if (step.op.sources.size() > step.fetched.size()) {
    CopySource source = main_source(files, step);
    Wanted wanted{step.op.sources, step.op.parents,
                  step.source != nullptr ? std::string() : cache_of(files, step.context)};
    std::erase_if(wanted.patterns, [&](const std::string& pattern) { return is_remote(step, pattern); });
    contents = contents_of(files, source, wanted);
  }
  for (const build::Files* const one : step.fetched) contents[one->fetched->op.url] = one->fetched->digest;
  return contents;
}

Contents mounted_contents(StepFiles& files, const ContextFiles& context, const std::string& path) {
  if (context.directory.empty()) throw InvalidInput("there is no build context to mount");
  CopySource source(FileTree({context.directory}, false), context.ignored, {});
  return contents_of(files, source,
                     {{path.empty() ? "." : build::quoted_pattern(path)}, false, cache_of(files, context)});
}

build::Layer copy_step(StepFiles& files, const CopyStep& step) {
  CopyWork work(files, step);
  const auto write = [&](int file) {
    return decode_written(files.as_root([&] { return encode_written(work.write(file)); }));
  };
  return files.make_layer(write, warn_left_out);
}

void copy_into(StepFiles& files, const CopyStep& step, const std::string& place) {
  CopyWork work(files, step);
  const std::string packed = place + "/packed", into = place + "/fs";
  const Fd file =
      sys::openat(AT_FDCWD, packed.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600) | or_throw("creating '{}'", packed);
  (void)files.as_root([&] { return encode_written(work.write(file.get())); });
  const Fd archive = sys::openat(AT_FDCWD, packed.c_str(), O_RDONLY) | or_throw("opening '{}'", packed);
  const Fd directory = sys::openat(AT_FDCWD, into.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", into);
  (void)files.as_root([&] {
    (void)overlay::apply_layer(archive.get(), directory.get(), {.change_owner = files.true_owners()});
    return std::string();
  });
}

build::Layer directory_step(StepFiles& files, const build::DirectoryOp& op, const build::Files& base, timespec now) {
  const auto layers = files.unpack(base);
  const auto write = [&](int file) {
    return decode_written(files.as_root([&] {
      build::FileTree tree(layers, true);
      const std::optional<build::CopyOwner> owner = owner_of(op.user, layers);
      build::CopyLayer layer(tree, {.destination = op.path, .owner = owner, .mode = {}, .now = now});
      layer.add_destination();
      return encode_written(layer.write(file, files.true_owners()));
    }));
  };
  return files.make_layer(write, warn_left_out);
}

}  // namespace sandbox::engine
