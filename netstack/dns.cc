// See dns.h.
#include "netstack/dns.h"

#include <algorithm>
#include <cctype>

#include "sandbox/base/ipv4.h"

namespace sandbox::netstack {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kHeader = 12, kLargestMessage = 512, kLargestName = 253, kLargestLabel = 63;
constexpr std::uint16_t kAddress = 1, kPointer = 12, kInternet = 1, kToQuestion = 0xc000 | kHeader;
constexpr unsigned kResponse = 0x8000, kAuthoritative = 0x0400, kOpcode = 0x7800, kRecursionWanted = 0x0100,
                   kRecursionOffered = 0x0080;
constexpr std::uint32_t kLifetime = 5;  // seconds: a container that starts again may have another address

std::uint16_t word_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
void append16(Bytes& bytes, unsigned value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}
void append32(Bytes& bytes, std::uint32_t value) {
  append16(bytes, value >> 16);
  append16(bytes, value & 0xffff);
}

/// The labels of a name that a container was given: those of its network are short enough.
Bytes encoded(const std::string& name) {
  Bytes bytes;
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    const std::size_t length = std::min(end - begin, kLargestLabel);
    bytes.push_back(static_cast<std::uint8_t>(length));
    bytes.insert(bytes.end(), name.begin() + static_cast<std::ptrdiff_t>(begin),
                 name.begin() + static_cast<std::ptrdiff_t>(begin + length));
    begin = end + 1;
  }
  bytes.push_back(0);
  return bytes;
}

void append_record(Bytes& message, std::uint16_t type, const Bytes& data) {
  append16(message, kToQuestion);
  append16(message, type);
  append16(message, kInternet);
  append32(message, kLifetime);
  append16(message, static_cast<unsigned>(data.size()));
  message.insert(message.end(), data.begin(), data.end());
}

std::vector<Bytes> records_of(const DnsQuestion& question, const DnsAnswer& answer) {
  std::vector<Bytes> records;
  if (question.of_name() && !answer.name.empty()) records.push_back(encoded(answer.name));
  for (const std::uint32_t address : answer.addresses) {
    if (question.of_address()) append32(records.emplace_back(), address);
  }
  return records;
}

}  // namespace

std::optional<DnsQuestion> parse_question(std::span<const std::uint8_t> message) {
  if (message.size() < kHeader || (word_at(message, 2) & (kResponse | kOpcode)) != 0 || word_at(message, 4) != 1)
    return {};
  DnsQuestion question;
  std::size_t at = kHeader;
  for (;;) {
    if (at >= message.size()) return {};
    const std::size_t length = message[at++];
    if (length == 0) break;
    // Above that it points to elsewhere in the message (4.1.4), which no question needs to.
    if (length > kLargestLabel || message.size() - at < length || question.name.size() + length > kLargestName)
      return {};
    if (!question.name.empty()) question.name += '.';
    for (const std::uint8_t byte : message.subspan(at, length)) {
      question.name += static_cast<char>(std::tolower(byte));
    }
    at += length;
  }
  if (message.size() - at < 4 || word_at(message, at + 2) != kInternet) return {};
  question.type = word_at(message, at);
  question.end = at + 4;
  return question;
}

std::vector<std::uint8_t> answer_message(std::span<const std::uint8_t> message, const DnsQuestion& question,
                                         const DnsAnswer& answer) {
  Bytes reply(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(question.end));
  const unsigned flags = kResponse | kAuthoritative | kRecursionOffered | (word_at(message, 2) & kRecursionWanted) |
                         static_cast<unsigned>(answer.result);
  const std::uint16_t type = question.of_name() ? kPointer : kAddress;
  std::uint16_t count = 0;
  for (const Bytes& record : records_of(question, answer)) {
    constexpr std::size_t kAround = 12;
    if (reply.size() + kAround + record.size() > kLargestMessage) break;
    append_record(reply, type, record);
    ++count;
  }
  const std::uint16_t header[] = {static_cast<std::uint16_t>(flags), 1, count, 0, 0};
  Bytes words;
  for (const std::uint16_t word : header) append16(words, word);
  std::ranges::copy(words, reply.begin() + 2);
  return reply;
}

std::optional<std::uint32_t> reverse_address(const std::string& name) {
  constexpr std::string_view kZone = ".in-addr.arpa";
  if (!name.ends_with(kZone)) return {};
  const auto backwards = parse_ipv4(name.substr(0, name.size() - kZone.size()));
  if (!backwards) return {};
  const std::uint32_t value = *backwards;
  return value >> 24 | (value >> 8 & 0xff00U) | (value & 0xff00U) << 8 | value << 24;
}

}  // namespace sandbox::netstack
