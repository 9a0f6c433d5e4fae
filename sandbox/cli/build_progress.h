// What a build shows while it runs, on standard error: every line ("plain"), or what has failed ("quiet"), a picture
// that is drawn again in its place ("tty"), or BuildKit's documents ("rawjson"). Runs in the client.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sandbox/engine/build_image.h"

namespace sandbox::cli {

class ShownProgress : public engine::BuildProgress {
 public:
  virtual void built(const engine::BuiltImage& made) = 0;
};

/// `kind`: auto, plain, tty, quiet, rawjson. Throws UsageError for another word.
std::unique_ptr<ShownProgress> make_progress(const std::string& kind);

// The kinds with a file of their own.
std::unique_ptr<ShownProgress> terminal_progress();
std::unique_ptr<ShownProgress> json_progress();

/// The same as `shown`, and when all is done a line for each step with the time that it took.
std::unique_ptr<ShownProgress> with_timings(std::unique_ptr<ShownProgress> shown);

}  // namespace sandbox::cli
