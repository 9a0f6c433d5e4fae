// Bodies of the hidden `sandbox helper …` commands: processes that this program starts of itself.
#pragma once

#include <span>

namespace sandbox::helpers {

/// `helper supervisor ID FD [USER_NS_FD]`
int supervisor(std::span<char* const> words);
/// `helper netstack CONFIG_FD CHANNEL_FD`
int netstack(std::span<char* const> words);
/// `helper network CONFIG_FD LISTENER_FD CHANNEL_FD`
int network(std::span<char* const> words);
/// `helper park RECORD`
int park(std::span<char* const> words);
/// `helper overlay CONFIG_FD READY_FD LIFETIME_FD FUSE_FD USER_NAMESPACE_FD`
int overlay(std::span<char* const> words);
/// `helper owner CONFIG_FD CHANNEL_FD`
int owner(std::span<char* const> words);

/// A descriptor number from the command line, owned and close-on-exec from here on. Throws UsageError.
int parse_descriptor(const char* word);

}  // namespace sandbox::helpers
