// `image mount`, `image unmount`: an image's files where scripts can read them.
#include "sandbox/engine/image_mount.h"

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/image/reference.h"

namespace sandbox::cli {
namespace {

constexpr Option kUnmountOptions[] = {{"all", 'a', nullptr, "Unmount all images"}};

int list(const Places& places) {
  const std::vector<image::Image> images = image::ImageStore(places).list();
  for (const engine::ImageMount& mount : engine::image_mounts(places)) {
    std::string name = mount.image_id.substr(0, 19);
    for (const image::Image& image : images) {
      if (image.id() == mount.image_id && !image.name.empty()) name = image::parse_reference(image.name).familiar();
    }
    print(fmt::format("{} {}\n", name, mount.path));
  }
  return 0;
}

int mount(const Arguments& arguments) {
  const Places places = find_places();
  make_places(places);
  if (arguments.positional.empty()) return list(places);
  const image::ImageStore store(places);
  for (const std::string& name : arguments.positional) {
    print(engine::mount_image(places, store.find(name)) + "\n");
  }
  return 0;
}

int unmount(const Arguments& arguments) {
  const Places places = find_places();
  make_places(places);
  const bool all = arguments.flag("all");
  if (all != arguments.positional.empty()) throw UsageError("name images, or give --all");
  if (!all) {
    return for_each_argument(arguments, [](const std::string& name, const Arguments&) {
      engine::unmount_image(find_places(), image::ImageStore(find_places()).find(name).id());
    });
  }
  for (const engine::ImageMount& mount : engine::image_mounts(places)) {
    engine::unmount_image(places, mount.image_id);
    print(mount.image_id + "\n");
  }
  return 0;
}

}  // namespace

const Command kImageMount{"image mount",
                          "image mount [IMAGE...]",
                          "Mount images as read-only directories, or list those that are",
                          {},
                          mount};
const Command kImageUnmount{"image unmount",
                            "image unmount [OPTIONS] IMAGE [IMAGE...]",
                            "Unmount images",
                            kUnmountOptions,
                            unmount};

}  // namespace sandbox::cli
