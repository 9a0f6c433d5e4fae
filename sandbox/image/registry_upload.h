// One blob on its way to a registry (distribution-spec, "Pushing blobs"). Runs in a thread of the process that pushes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sandbox/image/image_store.h"
#include "sandbox/image/registry_client.h"

namespace sandbox::image {

enum class Sent { present, mounted, uploaded };

struct Upload {
  Descriptor blob;
  std::string path;                                  ///< The file that holds it.
  std::vector<std::string> elsewhere;                ///< Repositories of the same registry that may have it.
  std::function<void(std::uint64_t sent)> progress;  ///< What it throws ends the upload.
};

struct SentBlob {
  Sent how = Sent::present;
  std::string from;  ///< The repository that it was mounted from.
};

/// Sees to it that the registry has the blob. What was cut goes on where the registry says it has come to. Throws
/// Error, InvalidInput when the file is not as long as the blob should be.
SentBlob send_blob(RegistryClient& client, const Upload& upload);

/// The number of bytes that a Range header of an upload names: "0-99" is 100; 0 for an absent or malformed one, and for
/// "0-0", which registries answer that have nothing. Pure.
std::uint64_t uploaded_bytes(const std::string& range);

}  // namespace sandbox::image
