// `save`: images of the store as an archive.
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/output_file.h"
#include "sandbox/cli/command.h"
#include "sandbox/image/archive_save.h"
#include "sandbox/image/manifest_list.h"

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
  put(image::find_manifest(store, text));
}

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
  OutputFile output(path);
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
