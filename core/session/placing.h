// Placing: the way of one call to its session's server; see Sessions::Place. For sources of this room.
//
//   here? ─yes─▶ same headers? ▶ (router again) ──────────────────────────▶ ticket
//     └no─▶ store: ended? ▶ may it begin one? ▶ router ▶ server ▶ bind ──────▲
#pragma once

#include "core/session/table.h"

namespace sgw::core {

class Placing final : public std::enable_shared_from_this<Placing> {
 public:
  using Done = std::function<void(Result<Placement>)>;

  Placing(SessionTable& table, CallContext& context, const FirstFields& fields, const MethodFacts& method, Done done);
  ~Placing() { Drop(); }

  // On the call's worker, where it is answered, too.
  void Begin();
  // Nobody wants the answer any more.
  void Drop();
  bool is_over() const { return is_over_; }

 private:
  void Known(SessionTable::Entered entered);
  void AskAgain();
  void NotHere();
  void Unknown();
  void Claim();
  void Claimed(Result<ServerPtr> server);
  void Bound(Result<SessionTable::Entered> bound);
  void TryAgain();
  void Take();

  Status CheckHeaders() const;
  // Whether limits allow the call, which is counted once, and what it begins, which `hold` counts from then on.
  Status CheckLimits(Hold& hold);
  Status CountCall();
  void TooMany(const Status& status);
  void TellHome();
  void LeaveSession();
  void Refuse(const Status& status, const char* by);
  void Finish(Result<Placement> result);
  // A function that runs on the call's worker, unless the way has ended by then.
  template <typename F>
  auto Later(F function);

  SessionTable& table_;
  CallContext& context_;
  const FirstFields& fields_;
  const MethodFacts& method_;
  Done done_;
  Worker& worker_;
  const std::string key_;
  Servers::Wanted wanted_;
  SessionTable::Entered entered_;  // with a stream counted, until it is handed on
  RoutePtr route_;                 // of the session, or of the one that may begin
  std::unique_ptr<Run> run_;
  Timer timer_;
  std::uint64_t waiter_ = 0;
  int tries_ = 0;
  bool is_counted_ = false;
  bool is_over_ = false;
};

}  // namespace sgw::core
