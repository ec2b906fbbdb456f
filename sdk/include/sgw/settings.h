// Settings: one text that is a plugin's settings struct, its parser, its defaults and its documentation.
//
//   struct PortalSettings {
//     std::string url;
//     Duration timeout = 2s;  // the documented default comes from here
//     static constexpr auto kSchema = Settings(
//         Setting("url", &PortalSettings::url, "Where the portal answers.", kRequired),
//         Setting("timeout", &PortalSettings::timeout, "How long one question may take."));
//   };
//
// A member may be a bool, an integer, a double, std::string, Secret, Duration, Bytes, a struct with a kSchema, and any
// of these in std::optional, std::vector or Table. A struct may have a `Status Validate() const` that is asked after it
// was read.
#pragma once

#include <sgw/detail/settings_read.h>
#include <sgw/detail/settings_schema.h>

#include <string_view>
#include <tuple>

namespace sgw {

// Marks a setting without which the configuration is wrong.
inline constexpr detail::RequiredFlag kRequired;

// One setting: its name in the configuration, the member that takes it, and a sentence for the reference page.
template <typename S, typename T>
constexpr detail::SettingOf<S, T> Setting(std::string_view name, T S::*member, std::string_view doc) {
  return {name, member, doc, false};
}
template <typename S, typename T>
constexpr detail::SettingOf<S, T> Setting(std::string_view name, T S::*member, std::string_view doc,
                                          detail::RequiredFlag) {
  return {name, member, doc, true};
}

// The settings of a member struct, as if they were this struct's own.
template <typename S, typename T>
constexpr detail::InlinedOf<S, T> Inlined(T S::*member) {
  return {member};
}

// The schema: all settings of a struct, in the order of the reference page.
template <typename... Each>
constexpr std::tuple<Each...> Settings(Each... each) {
  return {each...};
}

}  // namespace sgw
