// Servers on loopback and a fresh store for the registry tests.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "sandbox/image/registry.h"
#include "tests/support/temporary_directory.h"

namespace sandbox::testing {

/// A program that is killed at the end and when the test dies.
class Server {
 public:
  explicit Server(const std::vector<std::string>& command);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  std::string first_line();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

/// tests/support/hostile_registry.py in one mode, and a store to pull into.
class Hostile {
 public:
  explicit Hostile(const std::string& mode, std::vector<std::string> options = {},
                   const std::string& host = "127.0.0.1");
  std::string pull(const std::string& digest = {});
  /// The message of the error that pull() ends with; "" when it succeeds.
  std::string pull_error(const std::string& digest = {});
  std::string log() const;
  std::size_t files_in_store() const;  ///< Blobs and temporary files.

  TemporaryDirectory dir;
  std::string port;
  image::Reference reference;
  std::vector<std::string> lines;  ///< Progress.
  bool unpacks = false;

 private:
  Server server_;
  std::string host_;
};

Places places_below(const std::string& dir);
bool run(const std::vector<std::string>& command);

/// An environment variable for the life of the object.
class Environment {
 public:
  Environment(const char* name, const std::string& value);
  ~Environment();

 private:
  const char* name_;
  std::string old_;
  bool had_ = false;
};

}  // namespace sandbox::testing
