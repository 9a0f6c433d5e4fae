// What builds have done: <data>/build-cache/steps/<key>, a document for each step with the layers that it resulted in.
// The layers of all records are no garbage. Runs in the process that builds, or collects garbage.
//
// A record is written when its blobs are there; one that a power cut has emptied, or that names what is gone, is none.
// Behind the document stands a line end for each time that it was found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/image/image_store.h"

namespace sandbox::image {

struct StepRecord {
  std::string key;                    ///< 64 hexadecimal digits.
  std::string title;                  ///< "[2/4] RUN make"
  std::string created;                ///< RFC 3339
  std::vector<Descriptor> layers;     ///< Of the step's result, bottom first.
  std::vector<std::string> diff_ids;  ///< As many.
  bool own_layer = false;             ///< The last layer is this step's.
  std::string place = {};             ///< Which step of which Dockerfile it was.
  Json inputs = {};                   ///< What went in; see build::StepInputs.
  std::int64_t used = 0;              ///< Seconds since the epoch.
  std::size_t uses = 0;               ///< How often later builds have found it.
};

class StepRecords {
 public:
  explicit StepRecords(const Places& places) : directory_(places.data + "/build-cache/steps") {}

  /// Notes that it was used.
  std::optional<StepRecord> find(const std::string& key) const;
  /// `unfinished`: a path in a staging area, where it is written before it gets its name.
  void keep(const StepRecord& record, const std::string& unfinished) const;
  std::vector<StepRecord> list() const;
  /// The one of `place` that was used last.
  std::optional<StepRecord> latest_at(const std::string& place) const;
  void forget(const std::string& key) const;

 private:
  std::optional<StepRecord> read(const std::string& key) const;
  std::string path_of(const std::string& key) const { return directory_ + "/" + key; }

  std::string directory_;
};

/// Appends a line end to the file, which so counts its uses and tells by its time when the last one was. Where the disk is
/// full nothing is noted. `flags`: further ones of open(2).
void note_use(const std::string& path, int flags = 0);

/// What the result of one step takes.
struct StepUsage {
  StepRecord record;
  std::uint64_t bytes = 0;  ///< On the disk, of the step's own layer.
  bool shared = false;      ///< An image has that layer, too.
};
std::vector<StepUsage> step_usage(const Places& places);

}  // namespace sandbox::image
