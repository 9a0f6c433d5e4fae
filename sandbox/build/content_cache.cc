// See content_cache.h. The file: a head, the digest of what follows, and entries in this machine's own form.
#include "sandbox/build/content_cache.h"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "sandbox/base/digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox::build {
namespace {

constexpr std::string_view kHead = "sandbox content cache 1\n";
constexpr std::size_t kMostEntries = 400'000, kMostFiles = 32;
constexpr std::uint64_t kWorthwhile = 256U << 10;  // less is read again in no time
constexpr std::int64_t kDay = 24L * 60 * 60, kKeptDays = 30, kShownDays = 7;
constexpr std::int64_t kRacy = 2;  // seconds: the coarsest clock of a file system, FAT's

/// Of other contexts, and what a process that was killed has left.
void remove_oldest(const std::string& directory) {
  std::vector<std::pair<std::int64_t, std::string>> files;
  for (const std::string& name : list_directory(directory)) {
    std::string path = directory + "/" + name;
    if (const auto status = sys::fstatat(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW))
      files.emplace_back(status->st_mtim.tv_sec, std::move(path));
  }
  std::ranges::sort(files, std::ranges::greater());
  for (std::size_t i = kMostFiles; i < files.size(); ++i) (void)sys::unlinkat(AT_FDCWD, files[i].second.c_str(), 0);
}

constexpr std::string_view kPrefix = "sha256:";

/// Behind the prefix.
std::array<char, 64> digits_of(std::string_view digest) {
  std::array<char, 64> digits{};
  std::ranges::copy(digest.substr(kPrefix.size()), digits.begin());
  return digits;
}

}  // namespace

ContentCache::Digits ContentCache::key_of(std::string_view path, const struct stat& status) {
  const std::uint64_t numbers[] = {status.st_dev,
                                   status.st_ino,
                                   static_cast<std::uint64_t>(status.st_size),
                                   static_cast<std::uint64_t>(status.st_mtim.tv_sec),
                                   static_cast<std::uint64_t>(status.st_mtim.tv_nsec),
                                   static_cast<std::uint64_t>(status.st_ctim.tv_sec),
                                   static_cast<std::uint64_t>(status.st_ctim.tv_nsec),
                                   status.st_mode,
                                   status.st_uid,
                                   status.st_gid};
  Sha256 hash;
  hash.update(numbers, sizeof numbers);
  hash.update(path.data(), path.size());
  return digits_of(hash.finish());
}

ContentCache::ContentCache(std::string file) : file_(std::move(file)) {
  static_assert(std::is_trivially_copyable_v<Entry> && sizeof(Entry) == 136);
  ::clock_gettime(CLOCK_REALTIME, &begun_);
  constexpr std::size_t start = kHead.size() + sizeof(Digits);
  std::string text;
  try {
    text = read_file(file_, start + kMostEntries * sizeof(Entry));
  } catch (const Error&) {
    return;  // there is none, or none that this version has written
  }
  if (!text.starts_with(kHead) || text.size() < start || (text.size() - start) % sizeof(Entry) != 0) return;
  const std::string_view entries = std::string_view(text).substr(start);
  if (sha256_digest(entries).substr(kPrefix.size()) != text.substr(kHead.size(), sizeof(Digits))) return;
  known_.resize(entries.size() / sizeof(Entry));
  if (!known_.empty()) std::memcpy(known_.data(), entries.data(), entries.size());
}

std::optional<std::string> ContentCache::find(std::string_view path, const struct stat& status) {
  const Digits key = key_of(path, status);
  const auto found = std::ranges::lower_bound(known_, key, {}, &Entry::key);
  if (found == known_.end() || found->key != key) return {};
  if (found->used < begun_.tv_sec - kShownDays * kDay) stale_ = true;
  found->used = begun_.tv_sec;
  return std::string(kPrefix).append(found->content.data(), found->content.size());
}

void ContentCache::note(std::string_view path, const struct stat& before, const struct stat& after,
                        std::string_view content) {
  if (std::max(after.st_mtim.tv_sec, after.st_ctim.tv_sec) >= begun_.tv_sec - kRacy) return;
  const Digits key = key_of(path, after);
  if (key != key_of(path, before)) return;
  noted_.push_back({key, digits_of(content), begun_.tv_sec});
  read_ += static_cast<std::uint64_t>(after.st_size) + 4096;
}

void ContentCache::keep() {
  if (noted_.empty() ? !stale_ : known_.empty() && read_ < kWorthwhile) return;
  std::vector<Entry> all = known_;
  all.insert(all.end(), noted_.begin(), noted_.end());
  std::erase_if(all, [&](const Entry& entry) { return entry.used < begun_.tv_sec - kKeptDays * kDay; });
  std::ranges::sort(all, std::ranges::greater(), &Entry::used);
  all.resize(std::min(all.size(), kMostEntries));
  std::ranges::sort(all, {}, &Entry::key);
  const auto [first, last] = std::ranges::unique(all, {}, &Entry::key);
  all.erase(first, last);
  std::string entries(all.size() * sizeof(Entry), '\0');
  if (!all.empty()) std::memcpy(entries.data(), all.data(), entries.size());
  const std::string text = std::string(kHead) + sha256_digest(entries).substr(kPrefix.size()) + entries;
  try {
    const std::string directory = file_.substr(0, file_.rfind('/'));
    make_directories(directory);
    write_file_atomic(file_, text, false);
    remove_oldest(directory);
  } catch (const Error&) {
    // The disk is full, say: the next build reads the files again.
  }
}

}  // namespace sandbox::build
