// A layer directory under construction: every operation names its object by a path relative to the
// layer's root and is done by descriptor, resolved inside that root, so that no archive reaches
// beyond it. The directory belongs to this object alone while it lives.
#pragma once

#include <ctime>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/base/fd.h"
#include "sandbox/base/json.h"

namespace sandbox::overlay {

struct EntryMetadata {
  std::uint32_t uid = 0, gid = 0, mode = 0;  ///< mode: the lower twelve bits.
  std::optional<timespec> mtime;
  std::vector<std::pair<std::string, std::string>> xattrs;  ///< "user.*" to be set on disk.
  std::string capability;                                   ///< The value of "security.capability", or empty.
  std::vector<std::pair<std::string, std::string>> acls;    ///< Attributes that name owners of this layer; see acl.h.
};

class LowerLayers;

class LayerTree {
 public:
  /// Borrows `root_fd`, an empty directory. `change_owner`: see ApplyOptions.
  LayerTree(int root_fd, bool change_owner);

  // Paths are those of normalize_entry_path. An object that is in the way is replaced; a directory
  // over a directory keeps its content. Missing parents are made. All throw InvalidInput, SysError.
  void make_directory(const std::string& path, const EntryMetadata& metadata);
  Fd create_file(const std::string& path);  ///< Open for writing, empty; follow with finish_file().
  /// The same with the content of the file at `path` below `directory`, which is no longer there then. No descriptor:
  /// there is no such file of `size` bytes, or it can't be moved.
  Fd take_file(const std::string& path, int directory, std::int64_t size);
  void finish_file(int fd, const std::string& path, const EntryMetadata& metadata);
  void make_symlink(const std::string& path, const std::string& target, const EntryMetadata& metadata);
  void make_hard_link(const std::string& path, const std::string& target);
  void make_fifo(const std::string& path, const EntryMetadata& metadata);
  /// Notes the device in the records; an ordinary user can't make it. `type`: 'c' or 'b'.
  void record_device(const std::string& path, const EntryMetadata& metadata, char type, unsigned major,
                     unsigned minor);
  /// Hides `path` of the layers below. What this very layer has there stays (image-spec layer.md).
  void make_whiteout(const std::string& path);
  /// Hides what the layers below have in the directory `path`.
  void make_opaque(const std::string& path);

  /// Gives directories that no entry described what the layers below know of them. `lower` is called if there are any.
  void adopt_implied(const std::function<LowerLayers()>& lower);
  /// Gives all directories their times, last because making entries changes them. Returns the records.
  Json finish();
  bool saw_other_owners() const { return saw_other_owners_; }

 private:
  struct Place {
    int parent = -1;  ///< Valid until the next operation.
    std::string leaf, path;  ///< path: free of symbolic links.
  };
  Place locate(const std::string& path);
  void open_parent(const std::string& path);
  Fd descend(const std::string& path);
  std::string true_path(int fd) const;
  void ensure_directory(int parent, const std::string& path);
  void clear_way(const Place& place);
  void forget(const std::string& path);
  void hide_below(int directory, const std::string& path);
  bool give_owner(int dir, const char* leaf, int flags, const std::string& path, const EntryMetadata& metadata);
  void describe_directory(int fd, const std::string& path, const EntryMetadata& metadata);
  void set_owner_and_mode(int fd, const std::string& path, const EntryMetadata& metadata, bool directory);
  void set_times(int dir, const char* leaf, const std::string& path, const EntryMetadata& metadata);
  void set_xattrs(int fd, const std::string& path, const EntryMetadata& metadata);
  void set_acls(int fd, const EntryMetadata& metadata) const;
  void record(const std::string& path, const EntryMetadata& metadata, std::uint32_t disk_mode, bool shown);

  Fd root_;
  bool change_owner_, saw_other_owners_ = false;
  Fd parent_;                ///< The last parent, with its path as asked for and its true one.
  std::string parent_asked_, parent_path_;
  bool parent_known_ = false;
  std::map<std::string, Json> records_;
  std::map<std::string, timespec> directory_times_;
  std::set<std::string> whiteouts_, implied_;
};

}  // namespace sandbox::overlay
