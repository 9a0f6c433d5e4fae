// See build_output.h.
#include "sandbox/engine/build_output.h"

#include <unistd.h>

#include <algorithm>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/output_file.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/engine/tree_writing.h"
#include "sandbox/image/archive_save.h"

namespace sandbox::engine {
namespace {

using Type = BuildOutput::Type;

Type type_of(std::string_view word, BuildOutput& output) {
  if (word == "registry") {
    output.push = true;
    return Type::image;
  }
  constexpr std::pair<std::string_view, Type> types[] = {
      {"image", Type::image}, {"docker", Type::docker}, {"oci", Type::oci}, {"local", Type::local}, {"tar", Type::tar}};
  for (const auto& [name, type] : types) {
    if (name == word) return type;
  }
  throw UsageError(fmt::format("unknown output type \"{}\"", word),
                   "local, tar, oci, docker, image and registry are known");
}

[[noreturn]] void refuse(std::string_view words, const std::string& reason) {
  throw UsageError(fmt::format("invalid argument \"{}\" for \"--output\" flag: {}", words, reason));
}

bool boolean(const OptionField& field, std::string_view words) {
  if (field.value == "true" || field.value == "1") return true;
  if (field.value != "false" && field.value != "0") refuse(words, fmt::format("{} is true or false", field.key));
  return false;
}

void apply(BuildOutput& output, const OptionField& field, std::string_view words) {
  if (!field.value) refuse(words, fmt::format("'{}' is no key=value pair", field.key));
  const std::string_view value = *field.value;
  if (field.key == "type") {
    output.type = type_of(value, output);
  } else if (field.key == "dest") {
    output.destination = value;
  } else if (field.key == "name") {
    output.names.emplace_back(value);
  } else if (field.key == "push") {
    output.push = boolean(field, words);
  } else if (field.key == "compression" && (value == "gzip" || value == "uncompressed")) {
    output.compressed = value == "gzip";
  } else if (field.key != "tar" || !boolean(field, words)) {
    refuse(words, fmt::format("'{}={}' is not supported", field.key, value));
  }
}

void check(BuildOutput& output, std::string_view words) {
  if (output.type == Type::local && (output.destination.empty() || output.destination == "-"))
    refuse(words, "dest is required for local exporter");
  if (output.destination.empty() && (output.type == Type::tar || output.type == Type::oci)) output.destination = "-";
  if (output.type == Type::image && !output.destination.empty()) refuse(words, "an image has no dest");
  if (output.type != Type::image && output.push) refuse(words, "only an image can be pushed");
}

/// The archive's destination. `write` gets a descriptor.
template <class Write>
void into_file(const std::string& destination, Write write) {
  if (destination == "-") {
    if (::isatty(STDOUT_FILENO) == 1)
      throw UsageError("dest file is required for this exporter. refusing to write to console");
    return write(STDOUT_FILENO);
  }
  OutputFile file(destination);
  write(file.fd());
  file.finish();
}

overlay::WrittenArchive write_archive(const StepFiles& files, const std::vector<std::string>& layers, int file,
                                      overlay::Compression compression) {
  return decode_written(files.as_root([&] {
    overlay::ArchiveOptions options{.lower = layers, .true_owners = files.true_owners()};
    options.compression = compression;
    return encode_written(overlay::write_merged("", file, options));
  }));
}

/// Through a pipe: whoever may read all of the files writes, and the user takes them in.
std::vector<std::string> write_directory(const StepFiles& files, const std::vector<std::string>& layers,
                                         const std::string& path) {
  if (const auto made = sys::mkdirat(AT_FDCWD, path.c_str(), 0777); !made && made.error().value != EEXIST) {
    throw SysError(made.error(), fmt::format("creating '{}'", path));
  }
  const Fd directory = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", path);
  sys::Pair pipe = sys::pipe() | or_throw("making a pipe");
  AskedChild child([&] {
    pipe.first.reset();
    return encode_written(write_archive(files, layers, pipe.second.get(), overlay::Compression::none));
  });
  pipe.second.reset();
  std::vector<std::string> left_out;
  TreeWritingOptions options;
  options.directory = directory.get();
  options.left_out = [&](const std::string& entry) { left_out.push_back(entry); };
  write_tree(pipe.first.get(), options);
  const overlay::WrittenArchive written = decode_written(child.answer());
  left_out.insert(left_out.end(), written.left_out.begin(), written.left_out.end());
  sys::syncfs(directory.get()) | or_throw("syncing '{}'", path);
  return left_out;
}

}  // namespace

BuildOutput parse_output(std::string_view words) {
  BuildOutput output;
  if (words.find('=') == std::string_view::npos) {
    if (words.empty()) refuse(words, "a destination is missing");
    output.type = words == "-" ? Type::tar : Type::local;
    output.destination = words;
    return output;
  }
  const std::vector<OptionField> fields = split_options(words);
  if (std::ranges::find(fields, "type", &OptionField::key) == fields.end())
    refuse(words, "type is required for output");
  for (const OptionField& field : fields) apply(output, field, words);
  check(output, words);
  return output;
}

void write_files(StepFiles& files, const build::Files& result, const BuildOutput& output,
                 const std::function<void(const std::string&)>& warn) {
  const std::vector<std::string> layers = files.unpack(result);
  std::vector<std::string> left_out;
  if (output.type == Type::local) {
    left_out = write_directory(files, layers, output.destination);
  } else {
    const auto compression = output.compressed ? overlay::Compression::gzip : overlay::Compression::none;
    into_file(output.destination,
              [&](int file) { left_out = write_archive(files, layers, file, compression).left_out; });
  }
  for (const std::string& path : left_out) warn(fmt::format("'/{}' has no form there and is left out", path));
}

void write_image_archive(const image::Image& image, const std::vector<image::Reference>& names,
                         const BuildOutput& output) {
  std::vector<image::NamedManifest> manifests;
  for (const image::Reference& name : names) manifests.push_back({image.layout, name.canonical(), image.manifest});
  if (manifests.empty()) manifests.push_back({image.layout, "", image.manifest});
  const auto compression = output.compressed ? overlay::Compression::gzip : overlay::Compression::none;
  into_file(output.destination, [&](int file) { image::save(manifests, file, compression); });
}

}  // namespace sandbox::engine
