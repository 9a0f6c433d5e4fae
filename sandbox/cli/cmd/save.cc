// `save`: images of the store as an archive.
#include <unistd.h>

#include <optional>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"
#include "sandbox/image/archive_save.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"compression", '\0', "string", "Compress the archive: \"none\", \"gzip\" or \"zstd\" (default \"none\")"},
    {"output", 'o', "string", "Write to a file, instead of STDOUT"},
};

overlay::Compression compression_of(const std::string& word) {
  if (word == "none") return overlay::Compression::none;
  if (word == "gzip") return overlay::Compression::gzip;
  if (word == "zstd") return overlay::Compression::zstd;
  throw UsageError(fmt::format("invalid compression '{}': expected none, gzip or zstd", word));
}

/// As Docker: a repository without a tag is all its tags.
void add(const image::ImageStore& store, const std::string& text, std::vector<image::NamedManifest>& found) {
  const auto put = [&](image::NamedManifest named) {
    const auto same = [&](const image::NamedManifest& other) {
      return other.name == named.name && other.manifest.digest == named.manifest.digest;
    };
    if (std::ranges::none_of(found, same)) found.push_back(std::move(named));
  };
  const std::size_t before = found.size();
  if (const auto wanted = image::try_parse_reference(text)) {
    for (const image::NamedManifest& named : store.names()) {
      const auto name = image::try_parse_reference(named.name);
      const bool whole = !image::has_tag(text) && name && !name->tag.empty() && name->registry == wanted->registry &&
                         name->repository == wanted->repository;
      if (whole || (!named.name.empty() && named.name == wanted->canonical())) put(named);
    }
  }
  if (found.size() != before) return;
  const image::Image image = store.find(text);  // by its id or digest
  put({image.layout, {}, image.manifest});
}

/// A file that has its name only when it is whole. What is there and no regular file is written to as it is.
class Output {
 public:
  explicit Output(std::string path) : path_(std::move(path)) {
    const auto there = sys::fstatat(AT_FDCWD, path_.c_str(), 0);
    const bool plain = !there || S_ISREG(there->st_mode);
    if (plain) unfinished_ = path_ + "." + random_hex(16) + ".tmp";
    const std::string& name = plain ? unfinished_ : path_;
    file_ = sys::openat(AT_FDCWD, name.c_str(), O_WRONLY | O_CREAT | (plain ? O_EXCL : 0), 0666) |
            or_throw("creating '{}'", path_);
  }
  ~Output() {
    if (!unfinished_.empty()) (void)sys::unlinkat(AT_FDCWD, unfinished_.c_str(), 0);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  int fd() const { return file_.get(); }
  void finish() {
    if (unfinished_.empty()) return;
    sys::fsync(file_.get()) | or_throw("syncing '{}'", path_);
    sys::renameat2(AT_FDCWD, unfinished_.c_str(), AT_FDCWD, path_.c_str()) | or_throw("naming '{}'", path_);
    unfinished_.clear();
  }

 private:
  std::string path_, unfinished_;
  Fd file_;
};

int run(const Arguments& arguments) {
  const auto compression = compression_of(arguments.text("compression", "none"));
  const std::string path = arguments.text("output");
  if (path.empty() && ::isatty(STDOUT_FILENO) == 1) {
    throw UsageError("cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  const image::ImageStore store(find_places());
  std::vector<image::NamedManifest> images;
  for (const std::string& text : arguments.positional) add(store, text, images);
  if (path.empty()) {
    image::save(images, STDOUT_FILENO, compression);
    return 0;
  }
  Output output(path);
  image::save(images, output.fd(), compression);
  output.finish();
  return 0;
}

}  // namespace

const Command kSave{"save",
                    "save [OPTIONS] IMAGE [IMAGE...]",
                    "Save one or more images to a tar archive (streamed to STDOUT by default)",
                    kOptions,
                    run,
                    1};

}  // namespace sandbox::cli
