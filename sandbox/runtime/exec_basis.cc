#include "sandbox/runtime/exec_basis.h"

#include <initializer_list>

#include "sandbox/base/file.h"
#include "sandbox/runtime/seccomp.h"

namespace sandbox::runtime {
namespace {

Json members_of(const Json& object, std::initializer_list<const char*> names) {
  Json part = Json::object();
  for (const char* name : names) {
    if (const auto member = object.find(name); member != object.end()) part[name] = *member;
  }
  return part;
}

Json part_of_seccomp(const Json& seccomp) {
  Json part = members_of(seccomp, {"defaultAction", "flags", "listenerPath", "listenerMetadata"});
  const auto rules = seccomp.find("syscalls");
  if (rules == seccomp.end()) return part;
  for (const Json& rule : *rules) {
    const auto action = rule.find("action");
    if (action != rule.end() && *action == "SCMP_ACT_NOTIFY") part["syscalls"].push_back(rule);
  }
  return part;
}

/// COMPAT: a container that an earlier version has created has its configuration alone.
ExecBasis basis_from_config(const Store& store, const std::string& id) {
  const std::string path = store.config(id);
  ExecBasis basis{oci::parse_runtime_spec(parse_json(read_file(path), path), path), {}};
  basis.filter = seccomp_filter(basis.spec, store.filters());
  return basis;
}

}  // namespace

Json part_for_exec(const Json& config) {
  Json part = members_of(config, {"ociVersion", "root", "process"});
  const auto of_linux = config.find("linux");
  if (of_linux == config.end()) return part;
  Json& kept = part["linux"] =
      members_of(*of_linux, {"namespaces", "uidMappings", "gidMappings", "personality", "memoryPolicy"});
  const auto seccomp = of_linux->find("seccomp");
  if (seccomp != of_linux->end() && !seccomp->is_null()) kept["seccomp"] = part_of_seccomp(*seccomp);
  return part;
}

void keep_exec_basis(const Store& store, const std::string& id, const Json& part, const Filter& filter) {
  if (!filter.empty()) write_file_atomic(store.filter(id), text_of(filter), false);
  write_file_atomic(store.exec_config(id), part.dump(), false);
}

ExecBasis load_exec_basis(const Store& store, const std::string& id) {
  const std::string path = store.exec_config(id);
  if (!path_exists(path)) return basis_from_config(store, id);
  ExecBasis basis{oci::parse_runtime_spec(parse_json(read_file(path), path), path), {}};
  if (basis.spec.linux_part.seccomp) basis.filter = read_filter(store.filter(id));
  return basis;
}

}  // namespace sandbox::runtime
