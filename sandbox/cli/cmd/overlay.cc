// `overlay`: the FUSE overlay by itself, also as mount(8) and engines call it. It mounts where its caller may mount,
// leaves a process behind that serves until the merge is unmounted, and returns.
#include <errno.h>
#include <linux/mount.h>

#include "fuse-overlay/mount_options.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"
#include "userns/root.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"options", 'o', "list", "lowerdir=A:B[,upperdir=U,workdir=W] and options of mount(8), separated by commas"}};

Fd make_mount(const overlay::MountOptions& options) {
  try {
    return userns::make_fuse_mount(options.attributes, [&](const Fd& device, const Fd& user_namespace) {
      overlay::serve_until_unmounted(options.server, device, user_namespace);
    });
  } catch (const SysError& error) {
    if (error.code() != EPERM) throw;
    throw Error(error.what(), "this shell may not mount; one that may: unshare --user --map-root-user --mount");
  }
}

int run(const Arguments& arguments) {
  std::string text;
  for (const std::string& list : arguments.all("options")) text += (text.empty() ? "" : ",") + list;
  const overlay::MountOptions options = overlay::parse_mount_options(text);
  const std::string& target = arguments.positional.back();
  const Fd mount = make_mount(options);
  sys::move_mount(mount.get(), AT_FDCWD, target.c_str(), MOVE_MOUNT_T_SYMLINKS) | or_throw("mounting at '{}'", target);
  return 0;
}

}  // namespace

// mount(8) gives a source, which says nothing here.
const Command kOverlay{"overlay",
                       "overlay [SOURCE] MOUNTPOINT -o lowerdir=DIR[:DIR...][,upperdir=DIR,workdir=DIR]",
                       "Mount a merge of directories through FUSE",
                       kOptions,
                       run,
                       1,
                       2};

}  // namespace sandbox::cli
