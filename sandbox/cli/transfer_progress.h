// The progress of pulls and pushes on standard output: Docker's bars on a terminal (moby pkg/jsonmessage), plain lines
// elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sandbox/image/progress.h"

namespace sandbox::cli {

/// `quiet`: says nothing.
std::unique_ptr<image::Progress> transfer_progress(bool quiet);

/// "[====>      ]  1.2MB/3.4MB"; the bar only where the terminal has more than 110 `columns`. Pure.
std::string progress_bar(std::uint64_t done, std::uint64_t total, unsigned columns);

}  // namespace sandbox::cli
