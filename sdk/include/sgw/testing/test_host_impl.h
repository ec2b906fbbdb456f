#pragma once

#include <sgw/testing/test_host.h>

namespace sgw::testing {

inline TestHost::TestHost()
    : find_([](const Endpoint&) { return Status(); }),
      answer_http_([](const HttpRequest& request) { return Unavailable("nobody answers at " + request.url); }) {
  table_.size = sizeof(table_);
  table_.abi_major = SGW_ABI_MAJOR;
  table_.abi_minor = SGW_ABI_MINOR;
  FillAnswers();
  FillRest();
  FillHttp();
  host_ = std::make_unique<Host>(std::make_shared<sgw::detail::Link>(&table_, handle()), "under_test", "");
}

inline TestHost::~TestHost() { EndThreads(); }

inline void TestHost::EndThreads() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

inline void TestHost::Post(std::int64_t at_ns, sgw_id id, std::function<void()> run) {
  const std::lock_guard lock(mutex_);
  due_.push_back({at_ns, id, std::move(run)});
}

inline void TestHost::Advance(Duration time) {
  std::unique_lock lock(mutex_);
  const std::int64_t end = now_ns_ + std::chrono::nanoseconds(time).count();
  const auto move_to = [&](std::int64_t at) {
    if (at <= now_ns_) return;
    wall_ns_ += at - now_ns_;
    now_ns_ = at;
  };
  // What is posted meanwhile for the time that it is by then runs too; the bound ends a plugin that goes on for ever.
  for (int i = 0; i < 1'000'000; ++i) {
    const auto next =
        std::min_element(due_.begin(), due_.end(), [](const Due& a, const Due& b) { return a.at_ns < b.at_ns; });
    if (next == due_.end() || next->at_ns > end) break;
    const Due due = std::move(*next);
    due_.erase(next);
    move_to(due.at_ns);
    lock.unlock();
    due.run();
    lock.lock();
  }
  move_to(end);
}

inline void TestHost::SetWallClock(WallTime time) {
  const std::lock_guard lock(mutex_);
  wall_ns_ = std::chrono::nanoseconds(time.time_since_epoch()).count();
}

inline std::vector<LogLine> TestHost::logs() const {
  const std::lock_guard lock(mutex_);
  return logs_;
}

inline std::size_t TestHost::Logged(std::string_view text) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      logs_.begin(), logs_.end(), [&](const LogLine& line) { return line.text.find(text) != std::string::npos; }));
}

inline std::size_t TestHost::ChangeFile(std::string_view path) {
  std::vector<sgw_id> told;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [watched, id] : watches_) {
      if (watched == path) told.push_back(id);
    }
  }
  for (const sgw_id id : told) callbacks_.Run(id, nullptr, false);
  return told.size();
}

inline void TestHost::set_exposure(Exposure exposure) {
  std::uint32_t set = 0;
  if (exposure.loopback) set |= SGW_EXPOSURE_LOOPBACK;
  if (exposure.unix_socket) set |= SGW_EXPOSURE_UNIX;
  if (exposure.remote) set |= SGW_EXPOSURE_REMOTE;
  exposure_ = set;
}

inline void TestHost::OnProbe(std::function<std::optional<Status>(const Endpoint&)> find) {
  const std::lock_guard lock(mutex_);
  find_ = std::move(find);
}

inline void TestHost::PostRun(sgw_id id, const Status& status) {
  Post(0, id, [this, id, status] {
    const sgw_status raw = sgw::detail::Raw(status);
    callbacks_.Run(id, &raw, true);
  });
}

inline void TestHost::FinishProbes(const Status& found) {
  std::vector<sgw_id> probes;
  {
    const std::lock_guard lock(mutex_);
    probes.swap(open_probes_);
  }
  for (const sgw_id id : probes) PostRun(id, found);
  RunPending();
}

inline std::vector<std::shared_ptr<FakeChild>> TestHost::children() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<FakeChild>> children;
  for (const auto& [id, child] : children_) children.push_back(child);
  return children;
}

inline void TestHost::FailChildren(std::string reason) {
  const std::lock_guard lock(mutex_);
  child_failure_ = std::move(reason);
}

inline StringMap TestHost::lost_leases() const {
  const std::lock_guard lock(mutex_);
  return lost_leases_;
}

inline StringMap TestHost::gone_endpoints() const {
  const std::lock_guard lock(mutex_);
  return gone_endpoints_;
}

inline sgw_id TestHost::StartChild(const sgw_child_spec& spec) {
  std::shared_ptr<FakeChild> child;
  sgw_id id = 0;
  std::string failure;
  {
    const std::lock_guard lock(mutex_);
    id = children_.size() + 1;
    child = std::make_shared<FakeChild>(spec, callbacks_, static_cast<std::int64_t>(id) + 1000);
    children_.emplace_back(id, child);
    failure = child_failure_;
  }
  if (!failure.empty()) Post(0, 0, [child, failure] { child->Exit({.error = failure}); });
  return id;
}

template <typename A>
void TestHost::Answer(sgw_ask id, A answer) {
  std::shared_ptr<detail::Ask> ask;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = asks_.find(id); found != asks_.end()) ask = found->second;
  }
  const auto typed = std::dynamic_pointer_cast<detail::AskOf<A>>(ask);
  if (!typed || !typed->Answer(std::move(answer))) ++stray_answers_;
}

template <typename V, typename Raw, typename Read>
sgw::Answer<V> TestHost::FromAnswer(const Raw* raw, Read read) {
  switch (raw->answer) {
    case SGW_ANSWER_VALUE: return read();
    case SGW_ANSWER_NEXT: return Next{};
    default: return sgw::detail::FromRaw(raw->status);
  }
}

inline void TestHost::FillAnswers() {
  using sgw::detail::FromRaw;
  table_.answer_auth = [](sgw_host* host, sgw_ask ask, const sgw_auth_answer* raw) {
    if (raw->answer == SGW_ANSWER_VALUE && raw->identity->as_claimed != 0) {
      return Of(host).Answer<AuthAnswer>(ask, AsClaimed{std::string(sgw::detail::Text(raw->identity->subject))});
    }
    if (raw->answer == SGW_ANSWER_VALUE && raw->only_bound) {
      return Of(host).Answer<AuthAnswer>(ask, Lapsed{FromRaw(*raw->identity), FromRaw(raw->only_bound)});
    }
    const sgw::Answer<Identity> plain = FromAnswer<Identity>(raw, [&] { return FromRaw(*raw->identity); });
    Of(host).Answer<AuthAnswer>(ask,
                                std::visit([](auto said) { return AuthAnswer(std::move(said)); }, plain.content()));
  };
  table_.answer_router = [](sgw_host* host, sgw_ask ask, const sgw_router_answer* raw) {
    Of(host).Answer<RouterAnswer>(ask, FromAnswer<Route>(raw, [&] { return FromRaw(*raw->route); }));
  };
  table_.answer_pool = [](sgw_host* host, sgw_ask ask, const sgw_pool_answer* raw) {
    Of(host).Answer<PoolAnswer>(
        ask, FromAnswer<Lease>(raw, [&] {
          return Lease{std::string(sgw::detail::Text(raw->lease->id)), FromRaw(raw->lease->endpoint)};
        }));
  };
  table_.answer_discovery = [](sgw_host* host, sgw_ask ask, const sgw_discovery_answer* raw) {
    Of(host).Answer<DiscoveryReply>(ask, FromAnswer<std::vector<Endpoint>>(raw, [&] {
                                      return reinterpret_cast<Snapshot*>(raw->snapshot)->endpoints;
                                    }));
  };
  table_.answer_session = [](sgw_host* host, sgw_ask ask, const sgw_session_answer* raw) {
    SessionReply reply = SessionStore::Binding();
    if (raw->answer == SGW_ANSWER_VALUE) reply = SessionStore::Binding(sgw::detail::Text(raw->binding));
    if (raw->answer == SGW_ANSWER_STATUS) reply = FromRaw(raw->status);
    Of(host).Answer<SessionReply>(ask, std::move(reply));
  };
  table_.answer_done = [](sgw_host* host, sgw_ask ask, const sgw_status* raw) {
    Of(host).Answer<Status>(ask, FromRaw(raw));
  };
  table_.report_phase = [](sgw_host* host, sgw_ask ask, sgw_view phase) {
    TestHost& self = Of(host);
    const std::lock_guard lock(self.mutex_);
    if (const auto found = self.asks_.find(ask); found != self.asks_.end()) {
      found->second->Phase(sgw::detail::Text(phase));
    }
  };
}

inline void TestHost::FillRest() {
  using sgw::detail::Text;
  table_.log = [](sgw_host* host, std::int32_t level, sgw_view text) {
    const std::lock_guard lock(Of(host).mutex_);
    Of(host).logs_.push_back({static_cast<LogLevel>(level), std::string(Text(text))});
  };
  table_.monotonic_ns = [](sgw_host* host) {
    const std::lock_guard lock(Of(host).mutex_);
    return static_cast<std::uint64_t>(Of(host).now_ns_);
  };
  table_.wall_ns = [](sgw_host* host) {
    const std::lock_guard lock(Of(host).mutex_);
    return static_cast<std::uint64_t>(Of(host).wall_ns_);
  };
  table_.snapshot_make = [](sgw_host* host, const sgw_endpoint* endpoints, std::uint64_t count) {
    auto made = std::make_unique<Snapshot>();
    for (std::uint64_t i = 0; i < count; ++i) made->endpoints.push_back(sgw::detail::FromRaw(endpoints[i]));
    ++Of(host).live_snapshots_;
    return reinterpret_cast<sgw_snapshot*>(made.release());
  };
  table_.snapshot_release = [](sgw_host* host, sgw_snapshot* raw) {
    auto* snapshot = reinterpret_cast<Snapshot*>(raw);
    if (snapshot->count.fetch_sub(1) != 1) return;
    delete snapshot;
    --Of(host).live_snapshots_;
  };
  table_.lease_lost = [](sgw_host* host, sgw_view id, sgw_view reason) {
    const std::lock_guard lock(Of(host).mutex_);
    Of(host).lost_leases_.emplace_back(Text(id), Text(reason));
  };
  table_.endpoint_gone = [](sgw_host* host, sgw_view address, sgw_view incarnation, sgw_view reason) {
    const std::lock_guard lock(Of(host).mutex_);
    Of(host).gone_endpoints_.emplace_back(std::string(Text(address)) + " " + std::string(Text(incarnation)),
                                          Text(reason));
  };
  table_.timer_start = [](sgw_host* host, std::int64_t delay_ms, sgw_callback callback) {
    TestHost& self = Of(host);
    const sgw_id id = self.callbacks_.Add(callback);
    const auto now = static_cast<std::int64_t>(self.table_.monotonic_ns(host));
    const std::int64_t bounded = std::clamp<std::int64_t>(delay_ms, 0, std::int64_t{1} << 42);
    self.Post(now + bounded * 1'000'000, id, [&self, id] { self.callbacks_.Run(id, nullptr, true); });
    return id;
  };
  table_.timer_cancel = [](sgw_host* host, sgw_id id) { Of(host).callbacks_.Cancel(id); };
  table_.metric = [](sgw_host* host, std::uint32_t type, sgw_view name, sgw_view, sgw_pairs labels, const double*,
                     std::uint64_t) {
    return Of(host).metrics_.Find(type, std::string(Text(name)), sgw::detail::Copy(labels));
  };
  table_.metric_add = &detail::CapturedMetrics::Add;
  table_.metric_set = &detail::CapturedMetrics::Set;
  table_.metric_observe = &detail::CapturedMetrics::Observe;
  table_.run_blocking = [](sgw_host* host, sgw_callback callback) {
    TestHost& self = Of(host);
    const sgw_id id = self.callbacks_.Add(callback);
    const Blocking blocking = self.blocking_;
    if (blocking == Blocking::kFull) {
      self.callbacks_.Cancel(id);
      return 0;
    }
    const auto run = [&self, id] { self.callbacks_.Run(id, nullptr, true); };
    if (blocking == Blocking::kPosted) {
      self.Post(0, id, run);
    } else {
      const std::lock_guard lock(self.mutex_);
      self.threads_.emplace_back(run);
    }
    return 1;
  };
  table_.probe = [](sgw_host* host, const sgw_endpoint* endpoint, std::int64_t, sgw_callback callback) {
    TestHost& self = Of(host);
    const sgw_id id = self.callbacks_.Add(callback);
    std::function<std::optional<Status>(const Endpoint&)> find;
    {
      const std::lock_guard lock(self.mutex_);
      find = self.find_;
    }
    if (const std::optional<Status> found = find(sgw::detail::FromRaw(*endpoint))) return self.PostRun(id, *found);
    const std::lock_guard lock(self.mutex_);
    self.open_probes_.push_back(id);
  };
  table_.file_watch = [](sgw_host* host, sgw_view path, sgw_callback callback) {
    TestHost& self = Of(host);
    const sgw_id id = self.callbacks_.Add(callback);
    const std::lock_guard lock(self.mutex_);
    self.watches_.emplace_back(Text(path), id);
    return id;
  };
  table_.file_unwatch = [](sgw_host* host, sgw_id id) { Of(host).callbacks_.Cancel(id); };
  table_.child_start = [](sgw_host* host, const sgw_child_spec* spec) { return Of(host).StartChild(*spec); };
  table_.child_end = [](sgw_host* host, sgw_id id) {
    TestHost& self = Of(host);
    for (const auto& [each, child] : [&] {
           const std::lock_guard lock(self.mutex_);
           return self.children_;
         }()) {
      if (each != id || child->has_exited()) continue;
      child->TellToEnd();
      if (self.children_obey_) self.Post(0, 0, [child = child] { child->Exit({.exit_code = -1, .signal = 15}); });
    }
  };
  table_.child_pid = [](sgw_host* host, sgw_id id) -> std::int64_t {
    const std::lock_guard lock(Of(host).mutex_);
    for (const auto& [each, child] : Of(host).children_) {
      if (each == id && !child->has_exited()) return child->pid;
    }
    return 0;
  };
  table_.exposure = [](sgw_host* host) { return Of(host).exposure_.load(); };
}

}  // namespace sgw::testing
