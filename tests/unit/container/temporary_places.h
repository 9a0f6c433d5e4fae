// A store of its own for each test case, gone with it.
#pragma once

#include <stdlib.h>

#include <string>

#include "sandbox/base/file.h"
#include "sandbox/base/places.h"

struct TemporaryPlaces {
  TemporaryPlaces() {
    char path[] = "/tmp/sandbox-test-XXXXXX";
    root = ::mkdtemp(path);
    places.data = root + "/data";
    places.runtime = root + "/run";
    sandbox::make_places(places);
  }
  ~TemporaryPlaces() { sandbox::remove_tree(root); }
  TemporaryPlaces(const TemporaryPlaces&) = delete;
  TemporaryPlaces& operator=(const TemporaryPlaces&) = delete;

  std::string root;
  sandbox::Places places;
};
