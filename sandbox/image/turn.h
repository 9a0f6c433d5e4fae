// Who fetches what: processes that pull at the same time share what they fetch, each waiting for its turn.
//
// A turn is a lock on one byte of <data>/images/.turns, at a place that follows from a registry and a digest: that of
// an image's manifest while the image is pulled, of a blob while that is fetched. A registry that dawdles makes nobody
// wait who asks another. It ends with the process that has it, however that ends. Who has a blob's turn never waits for
// another, so that nobody waits for ever. What meets at one place by chance would only wait for each other in vain.
#pragma once

#include <sys/types.h>

#include <stop_token>
#include <string>

#include "sandbox/base/fd.h"

namespace sandbox::image {

class Turn {
 public:
  /// Takes it, if it can be had at once. `layout`: the own store's. Throws SysError.
  Turn(const std::string& layout, const std::string& registry, const std::string& digest);

  bool held() const { return held_; }

  /// Until it is held. Throws Error once `stop` is requested.
  void wait(const std::stop_token& stop = {});

 private:
  void try_again();

  std::string path_;
  off_t place_;
  Fd file_;
  bool held_ = false;
};

}  // namespace sandbox::image
