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

/// Enters them all (setns(2)) and becomes root of a user namespace among them. A pid namespace is that of children
/// only. Precondition: one thread.
void enter_namespaces(const std::vector<OpenedNamespace>& namespaces);

}  // namespace sandbox::userns
