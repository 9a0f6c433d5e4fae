// Runs a fuzz target over the files of corpus folders, each whole and cut short at many places, without libFuzzer.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <vector>

#include "sandbox/base/file.h"
#include "target.h"

int main(int count, char** arguments) {
  if (count < 2) {
    std::cerr << "usage: " << arguments[0] << " CORPUS_FOLDER...\n";
    return 2;
  }
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&count, &arguments);
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < count; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(arguments[i])) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  for (const auto& file : files) {
    std::cerr << file.filename().string() << "\n";  // the last name is the culprit's when the target ends us
    const std::string content = sandbox::read_file(file.string());
    const auto* data = reinterpret_cast<const std::uint8_t*>(content.data());
    const std::size_t step = content.size() / 64 + 1;
    for (std::size_t size = 0; size < content.size(); size += step) LLVMFuzzerTestOneInput(data, size);
    LLVMFuzzerTestOneInput(data, content.size());
  }
  return files.empty() ? 1 : 0;
}
