// Archives of images, in the process that loads or imports them.
//
// The archive is a stranger's: no member name ever becomes a path, and members, bytes and name lengths are bounded.
#include "sandbox/image/archive_reader.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "fuse-overlay/store/archive_library.h"
#include "fuse-overlay/store/archive_source.h"
#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"

namespace sandbox::image {
namespace {

constexpr std::size_t max_members = 20'000, max_member_name = 4096, buffer_size = 1U << 17;

const overlay::ArchiveLibrary& library() { return overlay::ArchiveLibrary::get(); }

enum class Format { tar, raw };

class Reader {
 public:
  Reader(int fd, Format format)
      : stream_(fd, {.max_bytes = max_content, .digest = std::nullopt, .passes_others = true}),
        archive_(library().archive_read_new(), library().archive_read_free) {
    archive* a = archive_.get();
    // What the stream leaves as it is. Filters built into the library only: "all" would start external programs.
    library().archive_read_support_filter_xz(a);
    library().archive_read_support_filter_bzip2(a);
    library().archive_read_support_format_empty(a);
    format == Format::tar ? library().archive_read_support_format_tar(a) : library().archive_read_support_format_raw(a);
    const int status = library().archive_read_open(a, &source_, nullptr, &overlay::ArchiveSource::read, nullptr);
    if (status != ARCHIVE_OK) fail();
  }

  /// The next member, or null at the end.
  archive_entry* next() {
    archive_entry* entry = nullptr;
    const int status = library().archive_read_next_header(archive_.get(), &entry);
    if (status == ARCHIVE_EOF) return nullptr;
    if (status < ARCHIVE_WARN) fail();
    return entry;
  }

  /// Content of the current member; 0 at its end.
  std::size_t read(std::vector<char>& buffer) {
    const la_ssize_t count = library().archive_read_data(archive_.get(), buffer.data(), buffer.size());
    if (count < 0) fail();
    return static_cast<std::size_t>(count);
  }

 private:
  [[noreturn]] void fail() {
    if (source_.failure) std::rethrow_exception(source_.failure);
    const char* why = library().archive_error_string(archive_.get());
    throw InvalidInput(fmt::format("the archive is not readable: {}", why ? why : "unknown format"));
  }
  overlay::LayerStream stream_;
  overlay::ArchiveSource source_{stream_};
  std::unique_ptr<archive, int (*)(archive*)> archive_;
};

/// The member's name as a key. Refuses what could leave a directory, though no name is ever used as a path.
std::string member_key(const char* raw) {
  if (!raw) throw InvalidInput("the archive has a member without a readable name");
  std::string_view name = raw;
  while (name.starts_with("./")) name.remove_prefix(2);
  if (name.size() > max_member_name) throw InvalidInput("the archive has a member with a name beyond 4096 bytes");
  const std::string padded = fmt::format("/{}/", name);
  if (name.starts_with('/') || padded.find("/../") != std::string::npos) {
    throw InvalidInput(fmt::format("the archive's member '{}' points outside of it", name));
  }
  return std::string(name);
}

/// The member that a symbolic link named `key` leads to, by names alone; empty when that is none of the archive.
std::string target_of(std::string_view key, const char* raw) {
  std::string_view target = raw ? raw : "", folder = overlay::parent_of(key);
  if (target.size() > max_member_name) return {};
  for (; target.starts_with("../"); target.remove_prefix(3)) {
    if (folder.empty()) return {};
    folder = overlay::parent_of(folder);
  }
  return folder.empty() ? std::string(target) : fmt::format("{}/{}", folder, target);
}

Fd create(const std::string& path) {
  return sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644) | or_throw("creating '{}'", path);
}

/// Copies what `read` gives until it gives nothing to `out` (-1: nowhere); `total` counts against the bound.
Member copy_content(const std::function<std::size_t(std::vector<char>& buffer)>& read, int out, std::uint64_t& total,
                    DigestAlgorithm algorithm) {
  Member member;
  RunningDigest hash(algorithm);
  std::vector<char> buffer(buffer_size);
  while (const std::size_t count = read(buffer)) {
    total += count;
    if (total > max_content) throw InvalidInput("the archive's content is larger than 64 GiB");
    member.size += count;
    hash.update(buffer.data(), count);
    if (out >= 0) sys::write_all(out, buffer.data(), count) | or_throw("writing an archive's member");
  }
  member.digest = hash.finish();
  return member;
}

Member copy_member(Reader& reader, int out, std::uint64_t& total, DigestAlgorithm algorithm) {
  return copy_content([&](std::vector<char>& buffer) { return reader.read(buffer); }, out, total, algorithm);
}

DigestAlgorithm algorithm_for(const std::string& name) {
  const std::string promised = promised_digest(name);
  return promised.empty() ? DigestAlgorithm::sha256 : algorithm_of(promised);
}

/// Calls `copy` for all blobs that the entries of this name reach; it returns what a document may be in. A name that is
/// no annotation of the index may be one of a docker-archive within the layout: then for what all entries reach.
void copy_reached(const std::string& index, const std::string& only,
                  const std::function<std::string(const std::string& digest)>& copy) {
  constexpr int deepest = 4;
  std::set<std::string> seen;
  const std::function<void(const Json&, int)> follow = [&](const Json& json, int depth) {
    const Descriptor descriptor = parse_descriptor(json, "the layout");
    if (!seen.insert(descriptor.digest).second) return;
    const std::string text = copy(descriptor.digest);
    const std::string& type = descriptor.media_type;
    if (depth > deepest || text.empty() || !(type.empty() || type.contains("manifest") || type.contains("index")))
      return;
    const Json document = parse_json(text, "manifest " + descriptor.digest);
    if (!document.is_object()) return;
    if (document.contains("config")) (void)copy(parse_descriptor(document.at("config"), "the layout").digest);
    for (const char* list : {"layers", "manifests"}) {
      for (const Json& child : document.value(list, Json::array())) follow(child, depth + 1);
    }
  };
  reading_document("index.json", [&] {
    const Json document = parse_json(index, "index.json");
    const auto is_named = [&](const Json& entry) { return layout_names(entry, only); };
    const Json& entries = document.at("manifests");
    const bool listed = std::ranges::any_of(entries, is_named);
    for (const Json& entry : entries) {
      if (!listed || is_named(entry)) follow(entry, 0);
    }
  });
}

}  // namespace

std::string promised_digest(std::string_view name) {
  name.remove_prefix(name.rfind('/') + 1);
  if (name.ends_with(".json")) name.remove_suffix(5);
  return digest_with_hex(name);
}

bool layout_names(const Json& entry, const std::string& name) {
  const Json annotations = entry.value("annotations", Json::object());
  if (annotations.value(annotation_name, "") == name) return true;
  const auto wanted = try_parse_reference(name);
  for (const char* key : {annotation_name, annotation_containerd}) {
    const auto listed = try_parse_reference(annotations.value(key, ""));
    if (wanted && listed && listed->canonical() == wanted->canonical()) return true;
  }
  return false;
}

std::map<std::string, Member> extract_members(int fd, const std::string& staging) {
  std::map<std::string, Member> members;
  std::map<std::string, std::string> links;
  Reader reader(fd, Format::tar);
  std::uint64_t total = 0;
  std::size_t seen = 0;
  while (archive_entry* entry = reader.next()) {
    if (++seen > max_members) throw InvalidInput("the archive has more than 20000 members");
    const std::string key = member_key(library().archive_entry_pathname(entry));
    if (library().archive_entry_filetype(entry) == AE_IFLNK)
      links.emplace(key, target_of(key, library().archive_entry_symlink(entry)));
    if (library().archive_entry_filetype(entry) != AE_IFREG || library().archive_entry_hardlink(entry)) continue;
    if (members.contains(key)) throw InvalidInput(fmt::format("the archive has '{}' twice", key));
    const std::string path = fmt::format("{}/{}", staging, seen);
    const Fd out = create(path);
    Member member = copy_member(reader, out.get(), total, algorithm_for(key));
    member.path = path;
    members.emplace(key, std::move(member));
  }
  std::map<std::string, Member> linked;
  for (const auto& [key, target] : links) {
    if (const auto found = members.find(target); found != members.end()) linked.emplace(key, found->second);
  }
  members.merge(linked);
  return members;
}

std::map<std::string, Member> copy_layout(int directory, const std::string& staging, const std::string& only) {
  std::map<std::string, Member> members;
  std::uint64_t total = 0;
  const auto copy = [&](const std::string& name, const std::string& key) {
    const auto in = sys::openat2(directory, name.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW,
                                 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (!in) return;
    const auto status = sys::fstat(in->get()) | or_throw("reading '{}'", name);
    if (!S_ISREG(status.st_mode)) return;
    if (members.size() == max_members) throw InvalidInput("the layout has more than 20000 files");
    const std::string path = fmt::format("{}/{}", staging, members.size());
    const Fd out = create(path);
    Member member = copy_content(
        [&](std::vector<char>& buffer) {
          return sys::read(in->get(), buffer.data(), buffer.size()) | or_throw("reading '{}'", name);
        },
        out.get(), total, algorithm_for(key));
    member.path = path;
    members.emplace(key, std::move(member));
  };
  for (const char* name : {"oci-layout", "index.json", "manifest.json"}) copy(name, name);
  const auto copy_all = [&](const std::string& place) {
    const auto opened =
        sys::openat2(directory, place.c_str(), O_RDONLY | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (!opened) return;
    for (const std::string& name : list_directory(fmt::format("/proc/self/fd/{}", opened->get()))) {
      const std::string digest = digest_with_hex(name);
      if (!digest.empty()) copy(fmt::format("{}/{}", place, name), blob_name(digest));
    }
  };
  if (!members.contains("oci-layout")) {
    copy_all(".");
  } else if (!only.empty() && members.contains("index.json")) {
    copy_reached(read_file(members.at("index.json").path, max_document), only, [&](const std::string& digest) {
      const std::string name = blob_name(digest);
      if (!members.contains(name)) copy(name, name);
      const auto member = members.find(name);
      return member == members.end() || member->second.size > max_document
                 ? std::string()
                 : read_file(member->second.path, max_document);
    });
  } else {
    for (const DigestAlgorithm algorithm : kDigestAlgorithms) copy_all(fmt::format("blobs/{}", name_of(algorithm)));
  }
  return members;
}

std::string uncompressed_digest(const std::string& path, DigestAlgorithm algorithm, const std::string& copy) {
  const Fd in = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
  const Fd out = copy.empty() ? Fd() : create(copy);
  Reader reader(in.get(), Format::raw);
  std::uint64_t total = 0;
  if (!reader.next()) return digest_of({}, algorithm);
  return copy_member(reader, out.get(), total, algorithm).digest;
}

void require_tar(const std::string& path) {
  const Fd in = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
  Reader reader(in.get(), Format::tar);
  (void)reader.next();
}

}  // namespace sandbox::image
