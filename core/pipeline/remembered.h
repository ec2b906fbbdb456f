// Remembered: the last credential of one connection, and who that is.
//
// It stands for every later call that says the same: its `authorization` and `authentication`, byte for byte, its TLS
// peer, and the headers that the identity was made from. Not when the identity has expired, nor for another pipeline,
// nor when the plugins have said meanwhile that their keys or lists have changed.
//
// On the connection's worker.
#pragma once

#include <sgw/status.h>
#include <sgw/values.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/plugin/call_facts.h"

namespace sgw::core {

class Remembered {
 public:
  // What the steps that were asked are like; two that are equal give the same answers.
  struct Asked {
    std::uint64_t pipeline = 0;   // its number
    std::uint64_t forgotten = 0;  // how often its plugins have forgotten
    friend bool operator==(const Asked&, const Asked&) = default;
  };

  // Whether it stands for the call.
  bool Knows(const CallFacts& facts, const Asked& asked) const;
  const std::shared_ptr<const Identity>& identity() const { return identity_; }
  // Not OK: the identity is good only for the sessions that it has.
  const Status& only_bound() const { return only_bound_; }

  // `asked` is as it was before the question.
  void Keep(const CallFacts& facts, const Asked& asked, std::shared_ptr<const Identity> identity, Status only_bound);

 private:
  bool IsSaid(std::string_view header) const;

  Asked asked_;
  std::string said_;  // the names and values of what counts, each with a NUL at its end, which neither can have
  std::shared_ptr<const TlsPeer> peer_;
  std::shared_ptr<const Identity> identity_;
  Status only_bound_;
};

}  // namespace sgw::core
