// What a build shows while it runs, on standard error: every line ("plain"), or what has failed ("quiet"). Runs in the
// client.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sandbox/engine/build_image.h"

namespace sandbox::cli {

class ShownProgress : public engine::BuildProgress {
 public:
  virtual void built(const std::string& id, const std::vector<std::string>& tags) = 0;
};

/// `kind`: auto, plain, quiet. Throws UsageError for another word.
std::unique_ptr<ShownProgress> make_progress(const std::string& kind);

}  // namespace sandbox::cli
