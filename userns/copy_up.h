// tmpfs that begins with what it covers ("tmpcopyup"). Zone B.
#pragma once

namespace sandbox::userns {

/// Copies directories, regular files and symbolic links with their modes, owners and times from below `from` (of an
/// image, which may hold anything) into the empty directory `to`; both may be O_PATH. Other kinds of files are left
/// out. Throws SysError, and InvalidInput for a tree that is too deep.
void copy_up_tree(int from, int to);

}  // namespace sandbox::userns
