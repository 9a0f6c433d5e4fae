// See copy_source.h.
#include "sandbox/build/copy_source.h"

#include <algorithm>

#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::build {
namespace {

std::string join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

std::vector<std::string> names_of(std::string_view path) {
  std::vector<std::string> names;
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    names.emplace_back(name);
  }
  return names;
}

bool has_wildcard(std::string_view text) { return text.find_first_of("*?[\\") != std::string_view::npos; }

}  // namespace

CopySource::CopySource(FileTree tree, IgnoreRules ignored, std::vector<std::string> excludes)
    : tree_(std::move(tree)), ignored_(std::move(ignored)), excluded_(IgnoreRules::of(excludes)) {}

/// A pattern per name, as Go's filepath.Match takes them.
void CopySource::match(const std::vector<std::string>& names, std::size_t at, const std::string& path,
                       std::vector<std::string>& found) {
  if (at == names.size()) {
    found.push_back(path);
    return;
  }
  const FileTree::Place place = tree_.resolve(path);
  if (!place.is_directory()) return;
  if (!has_wildcard(names[at])) {
    const std::string next = join(path, names[at]);
    if (tree_.resolve(next, false).seen) match(names, at + 1, next, found);
    return;
  }
  const PathPattern pattern(names[at]);
  for (const auto& [name, seen] : tree_.list(place.path)) {
    if (pattern.matches(name)) match(names, at + 1, join(path, name), found);
  }
}

/// With "**" a pattern is for whole paths.
void CopySource::match_below(const std::string& path, const PathPattern& pattern, std::vector<std::string>& found,
                             std::size_t depth) {
  if (depth > overlay::kMaxDepth) throw InvalidInput("a tree is too deep");
  for (const auto& [name, seen] : tree_.list(path)) {
    const std::string next = join(path, name);
    if (pattern.matches(next))
      found.push_back(next);
    else if (S_ISDIR(seen.status.st_mode))
      match_below(next, pattern, found, depth + 1);
  }
}

std::vector<Selection> CopySource::select(const std::string& pattern, bool parents) {
  const auto pivot = parents ? pattern.find("/./") : std::string::npos;
  const std::string before = pivot == std::string::npos ? "" : clean_path(pattern.substr(0, pivot));
  const std::string clean = clean_path(pattern);
  std::vector<std::string> found;
  if (clean == ".")
    found = {""};
  else if (parents && clean.find("**") != std::string::npos)
    match_below("", PathPattern(clean), found, 0);
  else
    match(names_of(clean), 0, "", found);
  std::vector<Selection> selections;
  bool hidden = false;
  for (const std::string& path : found) {
    const FileTree::Place place = tree_.resolve(path);
    if (!place.seen) continue;  // a link that leads nowhere
    // What is left out doesn't come in through a link either.
    const bool excluded = (ignored(path) || ignored(place.path)) && (ignored_.prunes() || !place.is_directory());
    hidden = hidden || excluded;
    const std::string name(overlay::leaf_of(path));
    if (excluded || (!place.is_directory() && excluded_.ignores(name))) continue;
    std::string within = parents ? path : "";
    if (parents && !before.empty() && within.starts_with(before + "/")) within.erase(0, before.size() + 1);
    selections.push_back({place.path, name, std::move(within), place.is_directory()});
  }
  if (!selections.empty()) return selections;
  throw NotFound(fmt::format("\"/{}\": not found", clean == "." ? "" : clean),
                 hidden ? ".dockerignore leaves it out" : "");
}

void CopySource::walk(const Selection& selection, const Visit& visit) {
  const auto seen = tree_.find(selection.path);
  if (!seen) throw NotFound(fmt::format("\"/{}\": was removed meanwhile", selection.path));
  if (!selection.directory) return visit("", selection.path, *seen);
  visit("", selection.path, *seen);
  std::vector<Pending> pending;
  walk_directory("", selection.path, pending, visit, 0);
}

void CopySource::walk_directory(const std::string& below, const std::string& path, std::vector<Pending>& pending,
                                const Visit& visit, std::size_t depth) {
  if (depth > overlay::kMaxDepth) throw InvalidInput(fmt::format("'{}' is too deep", overlay::printable(path)));
  for (const auto& [name, seen] : tree_.list(path)) {
    const std::string inner = join(below, name), whole = join(path, name);
    const bool directory = S_ISDIR(seen.status.st_mode);
    const bool out = ignored(whole) || excluded_.ignores(inner);
    if (out && (!directory || (ignored_.prunes() && excluded_.prunes()))) continue;
    const std::size_t before = pending.size();
    pending.push_back({inner, whole, seen});
    if (!out) {
      for (const Pending& one : pending) visit(one.below, one.path, one.seen);
      pending.clear();
    }
    if (directory) walk_directory(inner, whole, pending, visit, depth + 1);
    if (pending.size() > before) pending.resize(before);
  }
}

std::string CopySource::content_digest(const std::string& path, const FileTree::Seen& seen) {
  if (const auto known = cache_ == nullptr ? std::nullopt : cache_->find(path, seen.status)) return *known;
  const overlay::ObjectAt object = tree_.object(path, seen);
  const Fd file = sys::openat(object.directory, object.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK) |
                  or_throw("opening '/{}'", overlay::printable(path));
  Sha256 hash;
  buffer_.resize(1U << 17);
  for (;;) {
    const std::size_t count =
        sys::read(file.get(), buffer_.data(), buffer_.size()) | or_throw("reading '/{}'", overlay::printable(path));
    if (count == 0) break;
    hash.update(buffer_.data(), count);
  }
  std::string content = hash.finish();
  if (cache_ != nullptr) {
    const struct stat status = sys::fstat(file.get()) | or_throw("reading '/{}'", overlay::printable(path));
    cache_->note(path, seen.status, status, content);
  }
  return content;
}

/// `place`: where it goes.
std::string CopySource::object_digest(const std::string& path, const FileTree::Seen& seen, const std::string& place) {
  Sha256 hash;
  const auto add = [&](std::string_view text) {
    const std::uint64_t size = text.size();
    hash.update(&size, sizeof size);  // so that no two lists of texts look the same
    hash.update(text.data(), text.size());
  };
  const auto record = tree_.record(path, seen);
  add(place);
  add(fmt::format("{:o} {:o}", seen.status.st_mode & S_IFMT, record ? record->mode : seen.status.st_mode & 07777U));
  if (record)
    add(fmt::format("{}:{} {}", record->uid, record->gid, record->capability));
  else if (tree_.is_recorded())
    add(fmt::format("{}:{}", seen.status.st_uid, seen.status.st_gid));
  if (S_ISREG(seen.status.st_mode)) add(content_digest(path, seen));
  if (S_ISLNK(seen.status.st_mode)) add(tree_.link_target(path, seen));
  return hash.finish();
}

std::map<std::string, std::string> CopySource::digests(const std::vector<Selection>& selections) {
  std::map<std::string, std::string> found;
  for (const Selection& selection : selections) {
    const std::string top = fmt::format("{}\n{}\n", selection.directory ? "" : selection.name, selection.within);
    walk(selection, [&](const std::string& below, const std::string& path, const FileTree::Seen& seen) {
      const std::string digest = object_digest(path, seen, top + below);
      std::string& all = found[path.empty() ? "." : path];
      all = all.empty() ? digest : sha256_digest(all + digest);  // selected more than once
    });
  }
  return found;
}

}  // namespace sandbox::build
