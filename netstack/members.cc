// See members.h.
#include "netstack/members.h"

#include <algorithm>
#include <cctype>

namespace sandbox::netstack {

AddressPool::AddressPool(const Ipv4Range& network, const Ipv4Range& range, std::set<std::uint32_t> kept)
    : network_(network), range_(range), kept_(std::move(kept)), next_(range.first) {}

bool AddressPool::is_free(std::uint32_t address) const {
  return network_.contains(address) && address != network_.first && address != network_.last() &&
         !kept_.contains(address) && !taken_.contains(address);
}

bool AddressPool::take(std::uint32_t address) {
  if (!is_free(address)) return false;
  taken_.insert(address);
  return true;
}

std::optional<std::uint32_t> AddressPool::take_any() {
  // Of so many addresses in a row one is free, if any is.
  const std::uint64_t most =
      std::min<std::uint64_t>(std::uint64_t{range_.last()} - range_.first + 1, taken_.size() + kept_.size() + 3);
  for (std::uint64_t i = 0; i < most; ++i) {
    const std::uint32_t candidate = next_;
    next_ = candidate == range_.last() ? range_.first : candidate + 1;
    if (take(candidate)) return candidate;
  }
  return {};
}

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char byte) { return static_cast<char>(std::tolower(byte)); });
  return text;
}

void Names::add(std::uint32_t address, const std::vector<std::string>& names) {
  auto& list = names_[address];
  for (const std::string& name : names) list.push_back(lower_case(name));
}

void Names::remove(std::uint32_t address) { names_.erase(address); }

std::vector<std::uint32_t> Names::addresses_of(const std::string& name) const {
  std::vector<std::uint32_t> addresses;
  for (const auto& [address, names] : names_) {
    if (std::ranges::find(names, name) != names.end()) addresses.push_back(address);
  }
  return addresses;
}

std::optional<DnsAnswer> Names::answer(const DnsQuestion& question,
                                       const std::map<std::string, std::string>& links) const {
  if (question.of_name()) {
    const auto address = reverse_address(question.name);
    const auto member = address ? names_.find(*address) : names_.end();
    if (member == names_.end() || member->second.empty()) return {};
    return DnsAnswer{.name = member->second.front() + "." + lower_case(network_)};
  }
  std::string name = question.name;
  if (const std::string suffix = "." + lower_case(network_); name.ends_with(suffix)) {
    name.resize(name.size() - suffix.size());
  }
  if (const auto link = links.find(name); link != links.end()) name = lower_case(link->second);
  DnsAnswer answer{.addresses = addresses_of(name)};
  if (answer.addresses.empty()) return {};
  return answer;
}

}  // namespace sandbox::netstack
