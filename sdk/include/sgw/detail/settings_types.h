// What a schema is made of, and the types that a setting may have.
#pragma once

#include <sgw/base.h>

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace sgw::detail {

struct RequiredFlag {};

template <typename S, typename T>
struct SettingOf {
  std::string_view name;
  T S::*member;
  std::string_view doc;
  bool is_required;
};

template <typename S, typename T>
struct InlinedOf {
  T S::*member;
};

template <typename T>
concept HasSchema = requires {
  T::kSchema;
}
|| std::same_as<T, NoSettings>;

template <typename T>
constexpr auto SchemaOf() {
  if constexpr (requires { T::kSchema; }) {
    return T::kSchema;
  } else {
    return std::tuple<>();
  }
}

template <typename>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <typename>
inline constexpr bool kIsList = false;
template <typename T>
inline constexpr bool kIsList<std::vector<T>> = true;
template <typename>
inline constexpr bool kIsTable = false;
template <typename T>
inline constexpr bool kIsTable<std::vector<std::pair<std::string, T>>> = true;

}  // namespace sgw::detail
