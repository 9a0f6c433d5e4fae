// See fsck.h.
#include "sandbox/engine/fsck.h"

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/network_store.h"
#include "sandbox/container/supervisor_lock.h"
#include "sandbox/engine/id_range.h"

namespace sandbox::engine {
namespace {

constexpr std::size_t kLargestDescription = 16U << 20;

/// Out of the way of everything that looks for it. Returns where it is now.
std::string moved_away(const Places& places, const std::string& path) {
  make_directories(places.data + "/quarantine");
  const std::string name = path.substr(path.rfind('/') + 1);
  std::string target = fmt::format("{}/quarantine/{}.{}", places.data, name, random_hex(8));
  sys::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, target.c_str()) | or_throw("moving '{}' away", path);
  return target;
}

class ContainerCheck {
 public:
  ContainerCheck(const Places& places, const FoundRange& range, bool repair, std::vector<image::Finding>& findings)
      : places_(places), range_(range), repair_(repair), root_(places.data + "/containers"), findings_(findings) {}

  void run() {
    for (const std::string& name : list_directory(root_)) {
      // What begins with a dot is a lock, or half made or half removed: sweeping takes it.
      if (is_hex(name, 64))
        check(name);
      else if (!name.starts_with('.'))
        report("containers/" + name, "is no container's name", {});
    }
    if (repair_) container::ContainerStore(places_).sweep();
  }

 private:
  void report(const std::string& object, const std::string& problem, const std::string& repaired) {
    findings_.push_back({object, problem, repaired});
  }

  void check(const std::string& id) {
    const std::string directory = root_ + "/" + id, object = "container " + id.substr(0, 12);
    try {
      const auto found = container::ContainerStore(places_).read(id);
      if (found) check_files(found->spec, object);
    } catch (const Error& error) {
      if (path_exists(directory)) report(object, error.what(), repair_ ? set_aside(id) : std::string());
    }
  }

  /// A document that parses may be a newer version's: it is left alone.
  std::string set_aside(const std::string& id) const {
    const std::string directory = root_ + "/" + id;
    try {
      (void)container::parse_spec(read_file(directory + "/container.json", kLargestDescription));
      (void)parse_json(read_file(directory + "/state.json"), "state.json");
      return {};
    } catch (const Error&) {
      // Beyond reading.
    }
    try {
      const FileLock lock(root_ + "/.lock");
      container::Container unreadable;
      unreadable.directory = directory;
      unreadable.spec.name = id.substr(0, 12);
      const container::SupervisorLock idle(unreadable);
      return fmt::format("moved to '{}'; its changed files are in upper/", moved_away(places_, directory));
    } catch (const Error&) {
      return {};  // it runs
    }
  }

  void check_files(const container::Spec& spec, const std::string& object) {
    for (const std::string& fs : spec.plan.root.lower) {
      if (path_exists(fs)) continue;
      report(object, fmt::format("the layer '{}' is missing", fs), repair_ ? unpack_for(spec, fs) : std::string());
    }
    for (const std::string& part : {spec.plan.root.upper, spec.plan.root.work}) {
      if (part.empty() || path_exists(part)) continue;
      if (repair_) make_directories(part);
      report(object, fmt::format("'{}' is missing", part), repair_ ? "made again, empty" : "");
    }
  }

  std::string unpack_for(const container::Spec& spec, const std::string& fs) const {
    try {
      image::ImageStore store(places_);
      const bool nested = spec.plan.identity.nested;
      (void)store.ensure_unpacked(store.find(spec.image_id), nested && range_.kept ? &*range_.kept : nullptr);
      return path_exists(fs) ? "unpacked again" : "";
    } catch (const Error&) {
      return {};
    }
  }

  const Places& places_;
  const FoundRange& range_;
  bool repair_;
  std::string root_;
  std::vector<image::Finding>& findings_;
};

class NetworkCheck {
 public:
  NetworkCheck(const Places& places, bool repair, std::vector<image::Finding>& findings)
      : places_(places), repair_(repair), findings_(findings) {}

  void run() {
    const container::NetworkStore store(places_);
    for (const std::string& name : store.names()) {
      const std::string path = fmt::format("{}/networks/{}.json", places_.data, name);
      try {
        (void)store.find(name);
      } catch (const Error& error) {
        if (path_exists(path)) findings_.push_back({"network " + name, error.what(), repair_ ? set_aside(path) : ""});
      }
    }
  }

 private:
  /// A document that parses may be a newer version's: it is left alone.
  std::string set_aside(const std::string& path) const {
    const FileLock lock(places_.data + "/networks/.lock");  // else what is made anew meanwhile would be moved
    if (!path_exists(path)) return {};
    try {
      (void)parse_json(read_file(path), path);
      return {};
    } catch (const InvalidInput&) {
      return fmt::format("moved to '{}'", moved_away(places_, path));
    }
  }

  const Places& places_;
  bool repair_;
  std::vector<image::Finding>& findings_;
};

}  // namespace

std::vector<image::Finding> check_store(const Places& places, bool full, bool repair) {
  const FoundRange range = find_id_range(places);
  auto findings = image::ImageStore(places).check({full, repair, range.kept ? &*range.kept : nullptr});
  ContainerCheck(places, range, repair, findings).run();
  NetworkCheck(places, repair, findings).run();
  return findings;
}

}  // namespace sandbox::engine
