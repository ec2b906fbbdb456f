// HeaderBlock: the fields of one HEADERS frame, in their order, in one piece of memory.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw::core {

struct HeaderField {
  std::string_view name;  // lower case; pseudo-headers begin with ':'
  std::string_view value;
  // Sent as a literal that no table keeps, by us and whoever passes it on: secrets, and what is never the same twice
  // (RFC 7541, section 6.2.3).
  bool is_never_indexed = false;
};

// Views that it gives are good until the next change.
class HeaderBlock {
 public:
  HeaderBlock() = default;
  HeaderBlock(HeaderBlock&&) noexcept = default;
  HeaderBlock& operator=(HeaderBlock&&) noexcept = default;
  HeaderBlock(const HeaderBlock& other);
  HeaderBlock& operator=(const HeaderBlock& other) { return *this = HeaderBlock(other); }
  ~HeaderBlock() = default;
  HeaderBlock(std::initializer_list<HeaderField> fields) {
    for (const auto& field : fields) Add(field);
  }

  void Add(std::string_view name, std::string_view value) { Add({name, value}); }
  void Add(const HeaderField& field);
  // Removes every field of that name, then adds one.
  void Set(std::string_view name, std::string_view value);
  void Remove(std::string_view name);
  template <typename Predicate>
  void RemoveIf(Predicate predicate) {
    if (memory_) std::erase_if(memory_->entries, [&](const Entry& entry) { return predicate(At(entry)); });
  }

  // The first value of that name; exact match, names are in lower case.
  std::optional<std::string_view> Find(std::string_view name) const;
  std::string_view Get(std::string_view name, std::string_view fallback = {}) const {
    return Find(name).value_or(fallback);
  }

  std::size_t size() const { return memory_ ? memory_->entries.size() : 0; }
  bool empty() const { return size() == 0; }
  HeaderField operator[](std::size_t index) const { return At(memory_->entries[index]); }
  // Names and values alone.
  std::size_t bytes() const { return memory_ ? memory_->bytes.size() : 0; }

 private:
  struct Entry {
    std::uint32_t at;
    std::uint32_t name_size;
    std::uint32_t value_size;
    bool is_never_indexed;
  };
  HeaderField At(const Entry& entry) const {
    const char* start = memory_->bytes.data() + entry.at;
    return {{start, entry.name_size}, {start + entry.name_size, entry.value_size}, entry.is_never_indexed};
  }

  // Blocks come and go with each call: their memory waits on the thread for the next one.
  struct Memory {
    std::string bytes;
    std::vector<Entry> entries;
  };
  struct Spares;
  struct Recycle {
    void operator()(Memory* memory) const;
  };
  std::unique_ptr<Memory, Recycle> memory_;
};

}  // namespace sgw::core
