// The part of the supervisor that connects the container to networks: its private one, or those with others.
#include "sandbox/container/supervising.h"

namespace sandbox::container {

void Supervisor::join_networks() {
  networks_.emplace(places_, container_.spec, container_.state.endpoints);
  container_.spec.plan.interfaces = networks_->interfaces();
  state_.endpoints = container_.state.endpoints = networks_->endpoints();
  networks_->write_files(container_.directory, container_.spec);
}

void Supervisor::connect_networks() {
  std::vector<Fd> nics = main_->launched().take_nics();
  if (network_) {
    state_.host_ports = network_->connect(std::move(nics.front()));
    nics.erase(nics.begin());
  }
  if (!networks_) return;
  std::vector<std::uint16_t> ports = networks_->connect(std::move(nics));
  if (!network_) state_.host_ports = std::move(ports);
  networks_->record(places_, container_.spec, "connect");
}

void Supervisor::leave_networks() {
  if (network_) network_->free_ports();
  if (!networks_) return;
  networks_->leave();
  networks_->record(places_, container_.spec, "disconnect");
}

}  // namespace sandbox::container
