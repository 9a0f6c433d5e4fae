// The layers of one image, unpacked side by side by a child process. Blobs of some may still be on their way: they are
// inflated and their files made while the rest comes.
//
// The child is inside the user's namespace with a range where there is one, so it is made while the caller has one
// thread. No layer gets its name before all of them have the diff ids of the config, their blobs have been verified
// (the archive of one that comes does not end before), and all is on the disk, by one syncfs(2).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/process.h"
#include "sandbox/image/layout.h"

namespace sandbox::image {

class Unpacking {
 public:
  /// The files that blobs come into, by digest, until they have their names.
  using Arriving = std::map<std::string, std::string>;

  /// Starts the child if any of the layers is missing. `range`: see ImageStore::ensure_unpacked. Precondition: one
  /// thread.
  Unpacking(const ImageStore& store, const Places& places, const Image& image, const userns::KeptNamespace* range,
            const Arriving& arriving = {});

  // From any thread. False: the child has ended, and wait() tells why.
  bool arrived(const std::string& digest, std::uint64_t bytes);  ///< So many from the blob's beginning are in its file.
  bool verified(const std::string& digest);                      ///< It is whole.

  /// Until all are unpacked and on the disk; `done` hears of each. Throws what unpacking has thrown, as Error.
  void wait(const std::function<void(const std::string& digest)>& done = {});

  /// The directories of the layers that were there.
  std::vector<std::string> found() const;

  /// Gives the others their names. Returns the directories of all, top-most first.
  std::vector<std::string> publish();

 private:
  struct Layer {
    std::string chain;                ///< Its id, in hexadecimal.
    std::string fs;                   ///< Where it is or will be unpacked.
    std::unique_ptr<Staged> staging;  ///< None: it was there.
  };

  void start(const userns::KeptNamespace* range);
  void work(int socket, bool range) const;
  bool tell(const std::string& digest, std::uint64_t bytes, bool whole) const;

  Places places_;
  Image image_;
  Arriving arriving_;
  std::vector<Layer> layers_;         ///< As in the image: bottom first.
  std::vector<std::size_t> missing_;  ///< Of these the child's.
  Fd socket_;                         ///< To the child.
  std::optional<AskedChild> child_;
};

}  // namespace sandbox::image
