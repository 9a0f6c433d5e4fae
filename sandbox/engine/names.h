// Random names of containers: adjective_surname.
#pragma once

#include <string>

namespace sandbox::engine {

std::string random_name();

}  // namespace sandbox::engine
