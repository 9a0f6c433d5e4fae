// The part of the supervisor that connects the container to networks: its private one, or those with others.
#include <algorithm>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/network_store.h"
#include "sandbox/container/supervising.h"
#include "userns/launch.h"

namespace sandbox::container {
namespace {

constexpr auto rejoin_pause = std::chrono::seconds(1);

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
  if (const auto failure = networks_->follow(container_.spec, container_.state.endpoints)) throw *failure;
  container_.spec.plan.interfaces = networks_->interfaces();
  note_endpoints();
  networks_->write_files(container_.directory, container_.spec, false);
}

/// Of networks that it is not on just now the addresses that it had stay in mind.
void Supervisor::note_endpoints() {
  state_.endpoints = networks_->endpoints();
  auto& known = container_.state.endpoints;
  std::erase_if(known, [&](const Endpoint& one) { return networks_->is_on(one.network); });
  known.insert(known.end(), state_.endpoints.begin(), state_.endpoints.end());
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

/// Takes the running container to the networks that its description names; returns why not to all of them, if so.
std::optional<Error> Supervisor::take_networks() {
  const SharedLock networks_stay = NetworkStore(places_).hold_shared();
  if (!networks_) networks_.emplace(places_);
  std::optional<Error> failure;
  try {
    failure = networks_->follow(container_.spec, container_.state.endpoints);
    std::vector<Fd> nics;
    for (const auto& interface : networks_->interfaces()) {
      nics.push_back(plug_in(main_->launched().pidfd(), interface));
    }
    networks_->connect(container_.spec, std::move(nics));
  } catch (const Error& error) {
    failure = error;
  }
  networks_->give_up_unconnected(container_.spec);
  note_endpoints();
  if (!network_) state_.host_ports = networks_->host_ports();
  try {
    ContainerStore(places_).write_state(container_, state_);
    networks_->write_files(container_.directory, container_.spec, true);
  } catch (const Error& error) {  // a full disk: it is on its networks all the same
    if (!failure) failure = error;
  }
  return failure;
}

/// Of `network` alone: what else has changed is for those who have changed it.
void Supervisor::follow_network(const std::string& network) {
  if (!main_ || main_->exited()) throw Conflict(fmt::format("container {} is not running", container_.spec.name));
  const auto now = ContainerStore(places_).read(container_.spec.id);
  if (!now) throw NotFound(fmt::format("No such container: {}", container_.spec.name));
  container_.spec.name = now->spec.name;
  const auto is_meant = [&](const Attachment& one) { return one.network == network; };
  auto& attachments = container_.spec.attachments;
  std::erase_if(attachments, is_meant);
  const auto wanted = std::ranges::find_if(now->spec.attachments, is_meant);
  if (wanted == now->spec.attachments.end()) return rejoin_networks();  // the others: one of them is the way out now
  attachments.push_back(*wanted);
  const auto failure = take_networks();
  if (networks_->is_on(network)) return;
  std::erase_if(attachments, is_meant);
  throw failure.value_or(Error("the network could not be joined"));
}

void Supervisor::change_networks(const std::shared_ptr<Connection>& client, const std::string& network) {
  try {
    follow_network(network);
    client->queue(FrameType::done);
  } catch (const Error& error) {
    client->queue(FrameType::start_failure, encode_failure({error.what(), 1, error.hint()}));
  }
}

/// Who connected the container before its state said that it runs could not tell us.
void Supervisor::follow_early_changes() {
  try {
    const auto head = parse_spec_head(read_file(container_.directory + "/container.json"));
    if (!head || std::ranges::equal(head->attachments, container_.spec.attachments, {}, &Attachment::network,
                                    &Attachment::network)) {
      return;
    }
    container_.spec.attachments = head->attachments;
    rejoin_networks();
  } catch (const Error&) {
    // It has been damaged meanwhile: what we know counts.
  }
}

void Supervisor::lose_network(int channel) {
  const std::string name = networks_->forget(channel);
  deliver(Stream::err, fmt::format("sandbox: the helper of network {} has died\n", name));
  rejoin_at_ = Clock::now() + rejoin_pause;
}

/// What can't be had now is tried again later.
void Supervisor::rejoin_networks() {
  rejoin_at_.reset();
  if (!main_ || main_->exited()) return;
  try {
    if (take_networks()) rejoin_at_ = Clock::now() + rejoin_pause;
  } catch (const Error&) {
    rejoin_at_ = Clock::now() + rejoin_pause;
  }
}

}  // namespace sandbox::container
