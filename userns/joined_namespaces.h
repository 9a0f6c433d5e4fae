// Entering namespaces that exist already.
#pragma once

#include <vector>

#include "sandbox/base/fd.h"
#include "userns/launch_plan.h"

namespace sandbox::userns {

struct OpenedNamespace {
  NamespaceKind kind = NamespaceKind::network;
  Fd file;
};

/// Opens what the plan names and checks its kind; those that the caller is in already are left out. Throws InvalidInput
/// for a file that is no namespace of that kind.
std::vector<OpenedNamespace> open_namespaces(const std::vector<JoinedNamespace>& joined);

/// Those of the calling process, for another that will enter them. Precondition: the host's /proc is still to be seen.
std::vector<Fd> open_own_namespaces();
/// What open_own_namespaces() gave to another process, without those that the caller is in.
std::vector<OpenedNamespace> recognize_namespaces(std::vector<Fd> files);

/// Enters them all (setns(2)) and becomes root of a user namespace among them. A pid namespace is that of children
/// only. Precondition: one thread.
void enter_namespaces(const std::vector<OpenedNamespace>& namespaces);
/// The same for who is still more than a member: it stops being dumpable (proc(5)), lest those in there trace it.
void enter_unseen(const std::vector<OpenedNamespace>& namespaces);

}  // namespace sandbox::userns
