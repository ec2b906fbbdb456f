// Queue: first in, first out, without memory before something is put in.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace sgw::core {

template <typename T>
class Queue {
 public:
  void push_back(T item) { items_.push_back(std::move(item)); }
  void pop_front() {
    items_[first_++] = T();
    if (first_ == items_.size()) {
      // A few places are kept for what comes next.
      items_.capacity() > kKept ? clear() : items_.clear();
      first_ = 0;
    } else if (first_ >= kKept && 2 * first_ >= items_.size()) {
      items_.erase(items_.begin(), begin());
      first_ = 0;
    }
  }
  // Gives the memory back, too.
  void clear() {
    items_ = {};
    first_ = 0;
  }

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size() - first_; }
  T& front() { return items_[first_]; }
  T& back() { return items_.back(); }
  auto begin() { return items_.begin() + static_cast<std::ptrdiff_t>(first_); }
  auto end() { return items_.end(); }

 private:
  static constexpr std::size_t kKept = 16;

  std::vector<T> items_;
  std::size_t first_ = 0;
};

}  // namespace sgw::core
