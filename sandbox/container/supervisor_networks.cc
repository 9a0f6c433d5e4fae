// The part of the supervisor that connects the container to networks: its private one, or those with others.
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/network_store.h"
#include "sandbox/container/supervising.h"
#include "userns/launch.h"

namespace sandbox::container {
namespace {

/// Makes an interface in the network of the running container that `container` (a pidfd) is of; returns its outer end.
Fd plug_in(int container, const userns::NetworkInterface& interface) {
  const sys::Pair channel = sys::socketpair(SOCK_SEQPACKET) | or_throw("socketpair");
  (void)ask_child([&] {
    userns::enter_network(container);
    const Fd nic = netstack::create_nic(interface.name, interface.address, interface.prefix, interface.gateway,
                                        interface.mtu, interface.hardware_address);
    const std::byte word{};
    const int fd = nic.get();
    sys::send_message(channel.second.get(), {&word, 1}, {&fd, 1}) | or_throw("handing over an interface");
    return std::string();
  });
  sys::Message message = sys::receive_message(channel.first.get(), 16) | or_throw("receiving an interface");
  if (message.fds.empty()) throw Error("no interface was made");
  return std::move(message.fds.front());
}

}  // namespace

void Supervisor::join_networks() {
  networks_.emplace(places_);
  networks_->follow(container_.spec, container_.state.endpoints);
  container_.spec.plan.interfaces = networks_->interfaces();
  state_.endpoints = container_.state.endpoints = networks_->endpoints();
  networks_->write_files(container_.directory, container_.spec, false);
}

void Supervisor::connect_networks() {
  std::vector<Fd> nics = main_->launched().take_nics();
  if (network_) {
    state_.host_ports = network_->connect(std::move(nics.front()));
    nics.erase(nics.begin());
  }
  if (!networks_) return;
  networks_->connect(container_.spec, std::move(nics));
  if (!network_) state_.host_ports = networks_->host_ports();
}

void Supervisor::leave_networks() {
  if (network_) network_->free_ports();
  if (networks_) networks_->leave(container_.spec);
}

/// Takes the running container to the networks of its changed description.
void Supervisor::follow_networks() {
  const auto now = ContainerStore(places_).read(container_.spec.id);
  if (!now) throw NotFound(fmt::format("No such container: {}", container_.spec.name));
  const SharedLock networks_stay = NetworkStore(places_).hold_shared();
  if (!networks_) networks_.emplace(places_);
  const std::vector<Attachment> had = std::exchange(container_.spec.attachments, now->spec.attachments);
  std::optional<Error> failure;
  try {
    networks_->follow(container_.spec, state_.endpoints);
    std::vector<Fd> nics;
    for (const auto& interface : networks_->interfaces()) {
      nics.push_back(plug_in(main_->launched().pidfd(), interface));
    }
    networks_->connect(container_.spec, std::move(nics));
  } catch (const Error& error) {
    networks_->give_up_unconnected();
    container_.spec.attachments = had;
    failure = error;
  }
  state_.endpoints = container_.state.endpoints = networks_->endpoints();
  if (!network_) state_.host_ports = networks_->host_ports();
  ContainerStore(places_).write_state(container_, state_);
  networks_->write_files(container_.directory, container_.spec, true);
  if (failure) throw *failure;
}

void Supervisor::change_networks(const std::shared_ptr<Connection>& client) {
  try {
    if (!main_ || main_->exited()) throw Conflict(fmt::format("container {} is not running", container_.spec.name));
    follow_networks();
    client->queue(FrameType::done);
  } catch (const Error& error) {
    client->queue(FrameType::start_failure, encode_failure({error.what(), 1, error.hint()}));
  }
}

}  // namespace sandbox::container
