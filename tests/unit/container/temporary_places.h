// A store of its own for each test case, gone with it.
#pragma once

#include <string>

#include "sandbox/base/places.h"
#include "tests/support/temporary_directory.h"

struct TemporaryPlaces {
  TemporaryPlaces() {
    places.data = root + "/data";
    places.runtime = root + "/run";
    sandbox::make_places(places);
  }

  sandbox::testing::TemporaryDirectory directory;
  const std::string& root = directory.path();
  sandbox::Places places;
};
