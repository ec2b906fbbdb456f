// Queue: first in, first out, in one piece of memory that is not there before something is put in.
#pragma once

#include <algorithm>
#include <boost/circular_buffer.hpp>
#include <utility>

namespace sgw::core {

template <typename T>
class Queue {
 public:
  void push_back(T item) {
    if (items_.full()) items_.set_capacity(std::max<std::size_t>(4, 2 * items_.capacity()));
    items_.push_back(std::move(item));
  }
  void pop_front() { items_.pop_front(); }
  // Gives the memory back, too.
  void clear() { items_ = boost::circular_buffer<T>(); }

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  T& front() { return items_.front(); }
  T& back() { return items_.back(); }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }

 private:
  boost::circular_buffer<T> items_;
};

}  // namespace sgw::core
