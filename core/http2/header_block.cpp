#include "core/http2/header_block.h"

namespace sgw::core {

// What the calling thread keeps. Threads end before the last block does (a static one), hence `is_gone`.
struct HeaderBlock::Spares {
  static constexpr std::size_t kMax = 256;
  static constexpr std::size_t kMaxBytes = 4096;

  ~Spares() { is_gone = true; }
  std::vector<std::unique_ptr<Memory>> kept;

  static thread_local bool is_gone;
  static Spares& Mine() {
    thread_local Spares spares;
    return spares;
  }
};

thread_local bool HeaderBlock::Spares::is_gone = false;

void HeaderBlock::Recycle::operator()(Memory* memory) const {
  std::unique_ptr<Memory> owned(memory);
  if (Spares::is_gone || memory->bytes.capacity() > Spares::kMaxBytes) return;
  auto& kept = Spares::Mine().kept;
  if (kept.size() == Spares::kMax) return;
  memory->bytes.clear();
  memory->entries.clear();
  kept.push_back(std::move(owned));
}

HeaderBlock::HeaderBlock(const HeaderBlock& other) {
  for (std::size_t i = 0; i < other.size(); ++i) Add(other[i]);
}

void HeaderBlock::Add(const HeaderField& field) {
  if (!memory_) {
    auto& kept = Spares::Mine().kept;
    if (kept.empty()) {
      memory_.reset(new Memory);
      memory_->bytes.reserve(384);
      memory_->entries.reserve(12);
    } else {
      memory_.reset(kept.back().release());
      kept.pop_back();
    }
  }
  memory_->entries.push_back({static_cast<std::uint32_t>(memory_->bytes.size()),
                              static_cast<std::uint32_t>(field.name.size()),
                              static_cast<std::uint32_t>(field.value.size()), field.is_never_indexed});
  memory_->bytes.append(field.name).append(field.value);
}

void HeaderBlock::Set(std::string_view name, std::string_view value) {
  Remove(name);
  Add(name, value);
}

void HeaderBlock::Remove(std::string_view name) {
  RemoveIf([&](const HeaderField& field) { return field.name == name; });
}

std::optional<std::string_view> HeaderBlock::Find(std::string_view name) const {
  if (!memory_) return std::nullopt;
  for (const Entry& entry : memory_->entries) {
    const HeaderField field = At(entry);
    if (field.name == name) return field.value;
  }
  return std::nullopt;
}

}  // namespace sgw::core
