#pragma once

#include <sgw/base.h>

#include <optional>
#include <string>
#include <string_view>

namespace sgw {

// SessionStore keeps who is bound to which server when several gateways share their sessions.
//
// Keys and bindings are opaque bytes, at most 256 bytes and 16 KiB. Each function answers with the binding that holds
// afterwards, none when there is none (Remove: the one that was removed). All replicas see one order per key.
//
// Safe for concurrent use; runs on worker threads and never blocks.
class SessionStore : public Plugin {
 public:
  using Binding = std::optional<std::string>;
  using Done = Completion<Result<Binding>>;

  // Binds unless the key is bound already; the answer is what is bound now, mine or theirs. It ends `ttl` after the
  // last bind or touch.
  virtual void BindIfAbsent(std::string_view key, std::string_view binding, Duration ttl, Done done) = 0;
  virtual void LookUp(std::string_view key, Done done) = 0;
  // Begins the ttl anew.
  virtual void Touch(std::string_view key, Duration ttl, Done done) = 0;
  virtual void Remove(std::string_view key, Done done) = 0;
};

}  // namespace sgw
