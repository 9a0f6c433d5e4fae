// Zone X: looks at a script's interpreter before execve does. No allocation, no exceptions.
#pragma once

namespace sandbox::userns {

/// Where a script's chain of interpreters cannot be followed.
struct BadInterpreter {
  int error = 0;         ///< errno; 0: nothing is wrong.
  char path[256] = {};   ///< The interpreter.
};

/// execve(2) resolves the path behind "#!" in the kernel, which follows magic links: "#!/proc/self/exe" would run our
/// own executable from the host inside the container (CVE-2019-5736). A file that cannot be read is not looked into:
/// its reader has no rights on our executable, which is busy (ETXTBSY) as long as the supervisor lives besides.
BadInterpreter check_interpreters(const char* program) noexcept;

}  // namespace sandbox::userns
