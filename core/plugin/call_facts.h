// CallFacts: what is known of a call before anybody decides about it; and its view for plugins.
#pragma once

#include <sgw/abi.h>
#include <sgw/values.h>

#include <array>
#include <string>
#include <vector>

#include "core/http2/header_block.h"
#include "core/http2/tls.h"

namespace sgw::core {

struct CallFacts {
  std::string id;  // shown in every refusal and record
  std::string traceparent;
  std::string listener;
  std::string peer_address;
  HeaderBlock headers;  // as received, with pseudo-headers
  std::shared_ptr<const core::TlsPeer> tls;
  WallTime received{};
  std::string client_type;  // as the first message says, once it was read; only records have it

  std::string_view method() const { return headers.Get(":path"); }
  std::string_view authority() const { return headers.Get(":authority"); }
};

// What a client says who it is with, under its name today and that of JVM clients up to 4.1. Meant for the gateway
// alone.
inline bool IsCredential(std::string_view header) { return header == "authorization" || header == "authentication"; }

// The facts in the boundary's form, borrowed from `facts`.
class CallView {
 public:
  explicit CallView(const CallFacts& facts);
  CallView(const CallView&) = delete;
  CallView& operator=(const CallView&) = delete;
  const sgw_call* get() const { return &call_; }

 private:
  sgw_call call_{};
  sgw_tls_peer tls_{};
  std::array<sgw_pair, 32> few_;  // the headers, unless there are more
  std::vector<sgw_pair> many_;
  std::vector<sgw_view> dns_names_;
  std::vector<sgw_view> uris_;
};

}  // namespace sgw::core
