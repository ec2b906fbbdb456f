// Borrowed text, as it comes over the C boundary: valid until the function that was given it returns.
//
// Copy what has to live longer (`std::string(view)`).
#pragma once

#include <sgw/abi.h>

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sgw {

// An ordered list of names and values; a name may come more than once.
using StringMap = std::vector<std::pair<std::string, std::string>>;

namespace detail {

constexpr char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool EqualFold(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (Lower(a[i]) != Lower(b[i])) return false;
  }
  return true;
}

inline std::string_view Text(sgw_view view) {
  return view.size == 0 ? std::string_view() : std::string_view(view.data, static_cast<std::size_t>(view.size));
}
inline sgw_view View(std::string_view text) { return {text.data(), text.size()}; }
inline std::pair<std::string_view, std::string_view> Text(const sgw_pair& pair) {
  return {Text(pair.key), Text(pair.value)};
}

// A range over an array of the C boundary, whose elements it shows as C++ views.
template <typename Raw, typename Shown>
class Borrowed {
 public:
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Shown;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = Shown;

    iterator() = default;
    explicit iterator(const Raw* at) : at_(at) {}
    Shown operator*() const { return Text(*at_); }
    iterator& operator++() {
      ++at_;
      return *this;
    }
    iterator operator++(int) { return iterator(at_++); }
    friend bool operator==(iterator, iterator) = default;

   private:
    const Raw* at_ = nullptr;
  };

  Borrowed() = default;
  Borrowed(const Raw* items, std::size_t count) : items_(items), count_(count) {}

  iterator begin() const { return iterator(items_); }
  iterator end() const { return iterator(items_ + count_); }
  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  Shown operator[](std::size_t index) const { return Text(items_[index]); }

 private:
  const Raw* items_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace detail

// A borrowed list of texts: `for (std::string_view group : record.groups)`.
using StringViews = detail::Borrowed<sgw_view, std::string_view>;
// A borrowed list of names and values: `for (auto [name, value] : call.headers())`.
using PairViews = detail::Borrowed<sgw_pair, std::pair<std::string_view, std::string_view>>;

namespace detail {

inline StringViews Views(sgw_views v) { return {v.items, static_cast<std::size_t>(v.count)}; }
inline PairViews Pairs(sgw_pairs v) { return {v.items, static_cast<std::size_t>(v.count)}; }
inline std::vector<std::string> Copy(sgw_views v) { return {Views(v).begin(), Views(v).end()}; }
inline StringMap Copy(sgw_pairs v) {
  StringMap copy;
  copy.reserve(static_cast<std::size_t>(v.count));
  for (auto [key, value] : Pairs(v)) copy.emplace_back(key, value);
  return copy;
}

}  // namespace detail

// The first value of `name`, or null.
inline const std::string* Find(const StringMap& map, std::string_view name) {
  for (const auto& [key, value] : map) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace sgw
