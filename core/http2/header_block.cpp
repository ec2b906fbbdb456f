#include "core/http2/header_block.h"

namespace sgw::core {

void HeaderBlock::Add(std::string_view name, std::string_view value) {
  if (entries_.empty()) {
    bytes_.reserve(512);
    entries_.reserve(16);
  }
  entries_.push_back({static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(name.size()),
                      static_cast<std::uint32_t>(value.size())});
  bytes_.append(name).append(value);
}

void HeaderBlock::Set(std::string_view name, std::string_view value) {
  Remove(name);
  Add(name, value);
}

void HeaderBlock::Remove(std::string_view name) {
  RemoveIf([&](const HeaderField& field) { return field.name == name; });
}

std::optional<std::string_view> HeaderBlock::Find(std::string_view name) const {
  for (const Entry& entry : entries_) {
    const HeaderField field = At(entry);
    if (field.name == name) return field.value;
  }
  return std::nullopt;
}

}  // namespace sgw::core
