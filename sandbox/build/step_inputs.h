// What goes into a step, kept beside its result so that a later build can say what has changed. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sandbox/base/json.h"

namespace sandbox::build {

struct StepInputs {
  Json definition = Json::object();          ///< See graph.h.
  std::vector<std::string> base;             ///< Diff ids of the layers below, bottom first.
  std::map<std::string, std::string> files;  ///< What is copied or mounted: a path, and a digest of what it is.
};

Json to_json(const StepInputs& inputs);
/// What a document lacks is empty. Throws nlohmann's exceptions for wrong types.
StepInputs inputs_from(const Json& json);

/// What differs, from what to what, a line each: 'argv: "make" → "make all"'. Files at most ten.
std::vector<std::string> differences(const StepInputs& before, const StepInputs& now);

/// `files` as few enough to be kept (1000): those below one directory become one entry of it.
std::map<std::string, std::string> condensed(std::map<std::string, std::string> files);

}  // namespace sandbox::build
