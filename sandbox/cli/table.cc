// See table.h. Pure.
#include "sandbox/cli/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "sandbox/base/json.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/reference.h"

namespace sandbox::cli {
namespace {

constexpr std::size_t kMinimumWidth = 10, kPadding = 3;

/// Characters, counted as UTF-8 lead bytes.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string truncated(const std::string& text, std::size_t width) {
  if (width_of(text) <= width) return text;
  std::string cut;
  std::size_t seen = 0;
  for (const char c : text) {
    if ((c & 0xC0) != 0x80 && ++seen == width) break;
    cut += c;
  }
  return cut + "…";
}

std::string quoted(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') (escaped += '\\') += c;
    else if (c == '\n') escaped += "\\n";
    else if (c == '\t') escaped += "\\t";
    else if (c == '\r') escaped += "\\r";
    else escaped += c;
  }
  return "\"" + without_controls(escaped) + "\"";
}

/// The size of the character at the beginning of UTF-8 `text` if it commands a terminal or turns the direction of what
/// follows, else 0: U+0000 to U+001F and U+007F to U+009F; U+061C, U+200E and U+200F, U+202A to U+202E, U+2066 to U+2069.
std::size_t control_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  if (byte(0) < 0x20 || byte(0) == 0x7F) return 1;
  if (byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) < 0xA0) return 2;
  if (byte(0) == 0xD8 && byte(1) == 0x9C) return 2;
  if (byte(0) != 0xE2) return 0;
  const bool marks = byte(1) == 0x80 && (byte(2) == 0x8E || byte(2) == 0x8F || (byte(2) >= 0xAA && byte(2) <= 0xAE));
  const bool isolates = byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;
  return marks || isolates ? 3 : 0;
}

std::string port_range(unsigned first, std::size_t count) {
  return count == 1 ? fmt::format("{}", first) : fmt::format("{}-{}", first, first + count - 1);
}

/// True when `port` is number `distance` after `first` on both sides.
bool continues(const container::PublishedPort& first, const container::PublishedPort& port, std::size_t distance) {
  return port.udp == first.udp && port.host_ip == first.host_ip && port.host_port == first.host_port + distance &&
         port.container_port == first.container_port + distance;
}

}  // namespace

std::string without_controls(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t control = text[0] == '\n' || text[0] == '\t' ? 0 : control_size(text);
    if (control == 0) result += text[0];
    for (std::size_t i = 0; i < control; ++i) result += fmt::format("\\x{:02x}", text[i] & 0xFF);
    text.remove_prefix(std::max<std::size_t>(control, 1));
  }
  return result;
}

std::string json_for_terminals(const Json& document) {
  const std::string text = document.dump(4, ' ', false, Json::error_handler_t::replace);
  // Of what is no string only the line ends are controls; in strings JSON has escaped those below U+0020.
  const bool plain = [&] {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\n' && control_size(std::string_view(text).substr(i, 3)) > 0) return false;
    }
    return true;
  }();
  if (plain) return text;
  std::string escaped;
  for (const char c : document.dump(4, ' ', true, Json::error_handler_t::replace)) {
    if (c == 0x7F) escaped += "\\u007f";  // the one control that JSON leaves alone
    else escaped += c;
  }
  return escaped;
}

std::string render_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), kMinimumWidth);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]) + kPadding);
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - width_of(row[i]), ' ');
    }
    text += '\n';
  }
  return text;
}

std::string short_id(const std::string& id) {
  return (id.starts_with("sha256:") ? id.substr(7) : id).substr(0, 12);
}

std::pair<std::string, std::string> name_cells(const std::string& name) {
  if (name.empty()) return {"<none>", "<none>"};
  const image::Reference reference = image::parse_reference(name);
  const std::string familiar = reference.familiar();
  if (!reference.digest.empty()) return {familiar.substr(0, familiar.find('@')), "<none>"};
  return {familiar.substr(0, familiar.rfind(':')), reference.tag};
}

std::string command_cell(const std::vector<std::string>& argv, bool whole) {
  std::string text;
  for (const auto& word : argv) text += (text.empty() ? "" : " ") + word;
  return quoted(whole ? text : truncated(text, 20));
}

std::string status_cell(const container::State& state, std::int64_t now) {
  switch (state.status) {
    case container::Status::created: return "Created";
    case container::Status::running: return "Up " + engine::human_duration(now - state.started) + (state.paused ? " (Paused)" : "");
    case container::Status::exited: break;
  }
  return fmt::format("Exited ({}) {} ago", state.exit_code, engine::human_duration(now - state.finished));
}

std::string ports_cell(const std::vector<container::PublishedPort>& ports) {
  std::string text;
  for (std::size_t first = 0, count = 1; first < ports.size(); first += count) {
    const auto& port = ports[first];
    count = 1;
    while (first + count < ports.size() && continues(port, ports[first + count], count)) ++count;
    const bool v6 = port.host_ip.find(':') != std::string::npos;
    text += fmt::format("{}{}:{}->{}/{}", text.empty() ? "" : ", ", v6 ? "[" + port.host_ip + "]" : port.host_ip,
                        port_range(port.host_port, count), port_range(port.container_port, count),
                        port.udp ? "udp" : "tcp");
  }
  return text;
}

std::string render_ps(const std::vector<container::Container>& containers, bool whole, std::int64_t now) {
  std::vector<std::vector<std::string>> rows{
      {"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"}};
  for (const container::Container& container : containers) {
    const auto& [spec, state, directory] = container;
    rows.push_back({whole ? spec.id : short_id(spec.id), spec.image, command_cell(spec.plan.process.argv, whole),
                    engine::human_duration(now - spec.created) + " ago", status_cell(state, now),
                    state.status == container::Status::running ? ports_cell(container::published_ports(container)) : "",
                    spec.name});
  }
  return render_table(rows);
}

}  // namespace sandbox::cli
