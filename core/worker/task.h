// Task: a function to run once, which may own what cannot be copied.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace sgw::core {

// Move-only; calling an empty Task is a programming error.
class Task {
 public:
  Task() = default;
  template <typename F, typename = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Task>>>
  Task(F&& function) : body_(std::make_unique<Body<std::decay_t<F>>>(std::forward<F>(function))) {}

  explicit operator bool() const { return body_ != nullptr; }
  void operator()() { body_->Run(); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual void Run() = 0;
  };
  template <typename F>
  struct Body final : Base {
    explicit Body(F f) : function(std::move(f)) {}
    void Run() override { function(); }
    F function;
  };
  std::unique_ptr<Base> body_;
};

}  // namespace sgw::core
