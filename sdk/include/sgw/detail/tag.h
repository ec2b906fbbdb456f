// The tag: what a plugin's file says about itself before any of its code runs.
#pragma once

#include <sgw/abi.h>
#include <sgw/audit.h>
#include <sgw/authenticator.h>
#include <sgw/detail/settings_schema.h>
#include <sgw/discovery.h>
#include <sgw/hot_pool.h>
#include <sgw/metrics.h>
#include <sgw/router.h>
#include <sgw/session_store.h>
#include <sgw/version.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace sgw::detail {

template <typename Kind>
constexpr std::string_view KindName() {
  if constexpr (std::same_as<Kind, Authenticator>) {
    return "auth";
  } else if constexpr (std::same_as<Kind, Router>) {
    return "router";
  } else if constexpr (std::same_as<Kind, HotPool>) {
    return "hot-pool";
  } else if constexpr (std::same_as<Kind, Discovery>) {
    return "discovery";
  } else if constexpr (std::same_as<Kind, Audit>) {
    return "audit";
  } else if constexpr (std::same_as<Kind, Metrics>) {
    return "metrics";
  } else {
    static_assert(std::same_as<Kind, SessionStore>);
    return "session-store";
  }
}

template <typename Kind, typename Class>
constexpr bool MaySayNext() {
  constexpr bool kIsStep = std::same_as<Kind, Authenticator> || std::same_as<Kind, Router> ||
                           std::same_as<Kind, HotPool> || std::same_as<Kind, Discovery>;
  if constexpr (requires { Class::kMaySayNext; }) {
    return kIsStep && Class::kMaySayNext;
  } else {
    return kIsStep;
  }
}

template <typename Class>
constexpr bool CanCreate() {
  if constexpr (requires { Class::kCanCreate; }) {
    return Class::kCanCreate;
  } else {
    return false;
  }
}

template <typename Class>
constexpr bool Admits() {
  if constexpr (requires { Class::kAdmits; }) {
    return Class::kAdmits;
  } else {
    return false;
  }
}

template <typename Class>
constexpr bool NeedsCertificates() {
  if constexpr (requires { Class::kNeedsCertificates; }) {
    return Class::kNeedsCertificates;
  } else {
    return false;
  }
}

template <typename Class>
constexpr bool IsRemembered() {
  if constexpr (requires { Class::kIsRemembered; }) {
    return Class::kIsRemembered;
  } else {
    return false;
  }
}

constexpr std::string_view SanitizerName() {
#if defined(__SANITIZE_ADDRESS__)
  return "address";
#elif defined(__SANITIZE_THREAD__)
  return "thread";
#else
  return "";
#endif
}

template <typename Kind, typename Class, typename S>
constexpr void AppendTag(std::string& out, std::string_view name) {
  out += SGW_TAG_MAGIC;
  out += "{\"name\":";
  AppendQuoted(out, name);
  out += ",\"kind\":";
  AppendQuoted(out, KindName<Kind>());
  out += ",\"abi\":[";
  AppendDecimal(out, std::int64_t{SGW_ABI_MAJOR});
  out += ",";
  AppendDecimal(out, std::int64_t{SGW_ABI_MINOR});
  out += "],\"sdk\":";
  AppendQuoted(out, kSdkVersion);
  out += ",\"sanitizer\":";
  AppendQuoted(out, SanitizerName());
  out += ",\"capabilities\":[";
  const auto add = [&](bool is_set, std::string_view capability) {
    if (!is_set) return;
    if (out.back() == '"') out.push_back(',');
    AppendQuoted(out, capability);
  };
  add(MaySayNext<Kind, Class>(), "next");
  add(CanCreate<Class>(), "create");
  add(Admits<Class>(), "admit");
  add(NeedsCertificates<Class>(), "certificates");
  add(IsRemembered<Class>(), "remembered");
  out += "],\"settings\":[";
  AppendMembers(out, S{});
  out += "]}";
}

// A name that can be a string literal's template argument.
template <std::size_t N>
struct FixedString {
  char text[N]{};
  constexpr FixedString(const char (&literal)[N]) { std::copy_n(literal, N, text); }  // NOLINT
  constexpr std::string_view view() const { return {text, N - 1}; }
};

template <typename Kind, typename Class, typename S>
consteval std::size_t TagSize(std::string_view name) {
  std::string text;
  AppendTag<Kind, Class, S>(text, name);
  return text.size();
}

// The tag as bytes without relocations, ended by a zero byte.
template <typename Kind, typename Class, typename S, FixedString kName>
consteval auto MakeTag() {
  std::array<char, TagSize<Kind, Class, S>(kName.view()) + 1> tag{};
  std::string text;
  AppendTag<Kind, Class, S>(text, kName.view());
  std::copy(text.begin(), text.end(), tag.begin());
  return tag;
}

}  // namespace sgw::detail
