// Queue: first in, first out, without memory before something is put in. References stay good while others come and go.
#pragma once

#include <deque>
#include <memory>
#include <utility>

namespace sgw::core {

template <typename T>
class Queue {
 public:
  void push_back(T item) {
    if (!items_) items_ = std::make_unique<std::deque<T>>();
    items_->push_back(std::move(item));
  }
  void pop_front() { items_->pop_front(); }
  // Gives the memory back, too.
  void clear() { items_.reset(); }

  bool empty() const { return !items_ || items_->empty(); }
  std::size_t size() const { return items_ ? items_->size() : 0; }
  T& front() { return items_->front(); }
  T& back() { return items_->back(); }
  auto begin() { return items_ ? items_->begin() : typename std::deque<T>::iterator(); }
  auto end() { return items_ ? items_->end() : typename std::deque<T>::iterator(); }

 private:
  std::unique_ptr<std::deque<T>> items_;
};

}  // namespace sgw::core
