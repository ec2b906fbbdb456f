// What plugins answer, as the core keeps it: values of the SDK, copied out of the boundary's views.
#pragma once

#include <sgw/abi.h>
#include <sgw/values.h>

#include <atomic>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace sgw::core {

// A discovery's list of endpoints; it does not change after it was handed out.
using Snapshot = std::shared_ptr<const std::vector<Endpoint>>;
// A session store's answer: the binding that holds.
struct BindingAnswer {
  std::string binding;
};
// start, quiesce, stop, admit: Status alone.
struct Done {};

using PluginAnswer =
    std::variant<std::monostate, Identity, Route, Lease, Snapshot, BindingAnswer, Done, Next, Status, Lapsed>;

// Copies. What is longer is the plugin's fault, and cut.
inline constexpr std::uint64_t kMaxText = 1 << 20;
inline constexpr std::uint64_t kMaxItems = 10'000;
std::string TextOf(sgw_view view);
std::vector<std::string> TextsOf(sgw_views views);
StringMap PairsOf(sgw_pairs pairs);
// For people's eyes: at most `max_bytes`, control bytes become blanks.
std::string PlainText(sgw_view view, std::size_t max_bytes);
Status StatusOf(const sgw_status* status);
Identity IdentityOf(const sgw_identity& raw);
Route RouteOf(const sgw_route& raw);
// Without an address when the struct is cut short.
Endpoint EndpointOf(const sgw_endpoint& raw);

}  // namespace sgw::core

// The host's side of the handle: one count per owner.
struct sgw_snapshot {
  std::atomic<int> count{1};
  sgw::core::Snapshot endpoints;
};
