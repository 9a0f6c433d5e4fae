// A store in a temporary directory, with archives made by tar and skopeo.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/image/image_store.h"
#include "tests/support/temporary_directory.h"

namespace sandbox::image {

class StoreFixture {
 public:
  StoreFixture();

  void shell(const std::string& script) const;  ///< Runs in work(); throws when it fails.
  std::string output(const std::string& script) const;
  std::vector<std::string> load(const std::string& archive);
  std::size_t files_in(const std::string& directory) const;  ///< Below the data directory.
  const std::string& work() const { return work_.path(); }

  /// Writes layer.tar, config.json, manifest.json of a busybox image into work()/image.
  void make_docker_tree() const;
  /// make_docker_tree() as work()/docker.tar, named "example/busy:1" and "busy:latest".
  void make_docker_archive() const;

 private:
  testing::TemporaryDirectory work_;

 public:
  Places places;
  ImageStore store;
};

}  // namespace sandbox::image
