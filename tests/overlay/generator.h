// Makes operations at random, most of them on what is there.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "operation.h"

namespace sandbox::overlay::test {

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  /// One that makes sense in the working directory as it is now; the same for the same tree and the same past.
  Operation next();

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  bool one_in(std::size_t count) { return below(count) == 0; }
  template <class Of>
  auto one_of(const Of& items) {
    return items[below(std::size(items))];
  }
  void look();
  std::string existing();
  std::string directory();
  std::string fresh();
  std::string path() { return one_in(5) ? fresh() : existing(); }
  void fill(Operation& operation);
  void fill_sizes(Operation& operation);

  std::mt19937 random_;
  int age_ = 0;  ///< Operations since look().
  std::vector<std::string> paths_, directories_;
};

}  // namespace sandbox::overlay::test
