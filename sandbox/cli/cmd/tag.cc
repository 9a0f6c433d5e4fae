// `tag`: another name for an image.
#include "sandbox/cli/command.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

int run(const Arguments& arguments) {
  image::ImageStore store(find_places());
  store.tag(store.find(arguments.positional[0]), image::parse_reference(arguments.positional[1]));
  return 0;
}

}  // namespace

const Command kTag{"tag", "tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
                   "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", {}, run, 2, 2};

}  // namespace sandbox::cli
