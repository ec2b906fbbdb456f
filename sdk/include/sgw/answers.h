// What a plugin may say when it is asked: a value, Next, a Status that refuses, or Pending.
#pragma once

#include <sgw/completion.h>
#include <sgw/snapshot.h>
#include <sgw/values.h>

#include <concepts>
#include <type_traits>
#include <utility>
#include <variant>

namespace sgw {

// One of the values, Next, Status or Pending. All of them turn into it by themselves, and so does a Result of a value.
//
// A Status that is OK says nothing here and is taken for an INTERNAL error of the plugin.
template <typename... Values>
class Answer {
 public:
  using Content = std::variant<Values..., Next, Status, Pending>;

  template <typename T>
  requires(std::same_as<T, Values> || ... ||
           (std::same_as<T, Next> || std::same_as<T, Status> || std::same_as<T, Pending>)) Answer(T value)
      : content_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  template <typename T>
  requires(std::same_as<T, Values> || ...) Answer(Result<T> result)  // NOLINT(google-explicit-constructor)
      : content_(result ? Content(*std::move(result)) : Content(result.status())) {}

  const Content& content() const { return content_; }
  // The alternative, or null when another one was said.
  template <typename T>
  const T* get() const {
    return std::get_if<T>(&content_);
  }
  bool is_next() const { return std::holds_alternative<Next>(content_); }
  bool is_pending() const { return std::holds_alternative<Pending>(content_); }
  // The refusal; OK for everything else.
  Status status() const { return get<Status>() ? *get<Status>() : Status(); }

 private:
  Content content_;
};

using AuthAnswer = Answer<Identity, AsClaimed, Lapsed>;
using RouterAnswer = Answer<Route>;
using PoolAnswer = Answer<Lease>;
using DiscoveryAnswer = Answer<EndpointSnapshot>;

}  // namespace sgw
