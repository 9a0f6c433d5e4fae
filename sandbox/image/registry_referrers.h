// What refers to an image in its registry: signatures, lists of parts and the like, whose manifests name it as their
// "subject" (distribution-spec 1.1, "Listing Referrers"). Registries without that list keep it under a tag that clients
// write ("Referrers Tag Schema").
#pragma once

#include <string>

#include "sandbox/base/json_fwd.h"
#include "sandbox/image/image_store.h"
#include "sandbox/image/registry_client.h"

namespace sandbox::image {

/// Of a pushed manifest or index with a subject: enters it into the list of a registry that hasn't done so, as the
/// answer to the push tells. No effect without a subject. Throws Error, InvalidInput.
void enter_referrer(RegistryClient& client, const HttpResponse& answer, const Descriptor& pushed, const Json& document);

/// The index of what refers to the manifest `digest`; without entries when nothing does. `artifact_type`: no others
/// than of this type, unless it is empty. Throws Error, InvalidInput.
Json list_referrers(RegistryClient& client, const std::string& digest, const std::string& artifact_type);

// --- The parts of it, pure. --------------------------------------------------------------------------------------

/// "sha256-…": the tag for what refers to this digest.
std::string referrers_tag(const std::string& digest);

/// The entry of `document` in such a list.
Json referrer_entry(const Descriptor& pushed, const Json& document);

}  // namespace sandbox::image
