// Which certificates a TLS connection trusts and shows. Runs in the process that pulls.
//
// As users of Docker and Podman expect (containers-certs.d(5)): the system's authorities, or those of SSL_CERT_FILE and
// SSL_CERT_DIR; for one host also those in certs.d/HOST[:PORT]/*.crt, with a client certificate *.cert and its *.key.
#pragma once

#include <string>

namespace sandbox::image {

struct Trust {
  std::string ca_file, ca_directory;  ///< Paths; empty: libcurl's defaults.
  std::string ca_bundle;              ///< PEM text that takes ca_file's place; empty: none.
  std::string certificate, key;       ///< Paths; empty: no client certificate.
};

/// `authority`: "host" or "host:port". Throws SysError when a certificate that is there can't be read.
Trust trust_for(const std::string& authority);

}  // namespace sandbox::image
