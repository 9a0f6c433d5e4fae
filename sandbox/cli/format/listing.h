// Docker's listings (docker/cli cli/command/formatter): rows of fields, printed as a table, as JSON, or as a template
// of the user's says. One implementation; what a listing has is its table of columns. Pure.
//
//     constexpr Column<Row> kColumns[] = {{"ID", "CONTAINER ID", [](const Row& row) { return …; }}, …};
//     constexpr Listing<Row> kListing{"*formatter.ContainerContext", kColumns, label_of};
//     print(render_listing(kListing, chosen_format(…), rows));
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/cli/template/value.h"

namespace sandbox::cli {

/// What `--format` (or the configuration file) and `--quiet` come to.
struct FormatChoice {
  std::string format;            ///< As given: "", "table", "table …", "json", "raw", or a template.
  bool quiet = false;
  std::string_view table;        ///< The listing's own: "{{.ID}}\t{{.Image}}".
  std::string_view raw = {};     ///< Its template for "raw"; empty: it has none.
};
std::string chosen_format(const FormatChoice& choice);

/// The text of a listing. `header` names the columns; throws InvalidInput "template parsing error: template: …".
std::string render_records(const std::string& format, const templates::Record& header,
                           std::span<const std::unique_ptr<templates::Record>> rows);

/// A field of a listing's rows: Docker's name, its header in a table, its text for a row.
template <class Row>
struct Column {
  std::string_view name, header;
  std::string (*value)(const Row& row);
};

template <class Row>
struct Listing {
  std::string_view type;  ///< Go's name of the rows' type, for errors.
  std::span<const Column<Row>> columns;
  std::string (*label)(const Row& row, const std::string& name) = nullptr;  ///< `.Label "name"`, where rows have labels.
};

namespace detail {

/// The last part of a label's name, as its header has it: "com.example.some-thing" is "some thing".
std::string label_header(std::string_view name);
/// Text of a row for a template: strangers' words, in one cell.
OrderedJson cell(const std::string& text);

template <class Row>
class RowRecord final : public templates::Record {
 public:
  RowRecord(const Listing<Row>& listing, const Row& row) : listing_(listing), row_(row) {}

  std::optional<std::size_t> parameters(std::string_view name) const override {
    if (name == "Label" && listing_.label != nullptr) return 1;
    return find(name) != nullptr ? std::optional<std::size_t>(0) : std::nullopt;
  }
  OrderedJson call(std::string_view name, const std::string& argument) const override {
    return cell(name == "Label" && listing_.label != nullptr ? listing_.label(row_, argument) : find(name)->value(row_));
  }
  OrderedJson all() const override {
    std::map<std::string_view, std::string> sorted;
    for (const auto& column : listing_.columns) sorted[column.name] = column.value(row_);
    OrderedJson fields = OrderedJson::object();
    for (auto& [name, value] : sorted) fields[std::string(name)] = std::move(value);
    return fields;
  }
  std::string_view type() const override { return listing_.type; }

 private:
  const Column<Row>* find(std::string_view name) const {
    for (const auto& column : listing_.columns) {
      if (column.name == name) return &column;
    }
    return nullptr;
  }

  const Listing<Row>& listing_;
  const Row& row_;
};

/// What a map of headers answers: "<no value>" for a field that is not there.
template <class Row>
class HeaderRecord final : public templates::Record {
 public:
  explicit HeaderRecord(const Listing<Row>& listing) : listing_(listing) {}

  std::optional<std::size_t> parameters(std::string_view name) const override {
    return name == "Label" && listing_.label != nullptr ? 1 : 0;
  }
  OrderedJson call(std::string_view name, const std::string& argument) const override {
    if (name == "Label" && listing_.label != nullptr) return label_header(argument);
    for (const auto& column : listing_.columns) {
      if (column.name == name) return std::string(column.header);
    }
    return "<no value>";
  }
  OrderedJson all() const override { return OrderedJson::object(); }
  std::string_view type() const override { return "formatter.SubHeaderContext"; }

 private:
  const Listing<Row>& listing_;
};

}  // namespace detail

template <class Row>
std::string render_listing(const Listing<Row>& listing, const std::string& format, const std::vector<Row>& rows) {
  std::vector<std::unique_ptr<templates::Record>> records;
  for (const Row& row : rows) records.push_back(std::make_unique<detail::RowRecord<Row>>(listing, row));
  return render_records(format, detail::HeaderRecord<Row>(listing), records);
}

}  // namespace sandbox::cli
