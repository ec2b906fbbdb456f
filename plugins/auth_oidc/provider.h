// Provider: the identity provider's keys, fetched before they are needed and kept when it does not answer.
#pragma once

#include <sgw/plugin.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "jwks.h"

namespace sgw::plugins {

struct ProviderSettings {
  std::string issuer;
  std::string jwks_url;
  Duration refresh = 15min;
  Duration refresh_floor = 30s;
  Duration keep_keys = 24h;
  Duration timeout = 10s;
  std::string ca_file;
  Secret proxy;

  static constexpr auto kSchema = Settings(
      Setting("issuer", &ProviderSettings::issuer,
              "What a token's `iss` says, byte for byte; its discovery document is "
              "asked for the keys.",
              kRequired),
      Setting("jwks_url", &ProviderSettings::jwks_url,
              "Where the keys are, for a provider without a discovery document."),
      Setting("refresh", &ProviderSettings::refresh, "How old the keys get; less when the provider says so (max-age)."),
      Setting("refresh_floor", &ProviderSettings::refresh_floor,
              "The least time between two requests, however many "
              "tokens name a key that is not known."),
      Setting("keep_keys", &ProviderSettings::keep_keys,
              "How long the keys stay good while the provider does not answer."),
      Setting("timeout", &ProviderSettings::timeout, "How long one request may take."),
      Setting("ca_file", &ProviderSettings::ca_file,
              "PEM file of the authorities that the provider's certificate is "
              "checked against; else the system's."),
      Setting("proxy", &ProviderSettings::proxy,
              "HTTP proxy on the way to the provider; its URL may have a user name and a password."));

  // URLs with https, or with http to this machine, and without a user name; and times that go together.
  Status Validate() const;
};

// Safe for concurrent use, except that Start and Stop run on the control thread.
class Provider {
 public:
  Provider(ProviderSettings settings, Host& host);

  // Answers when the keys are here, or why they cannot be had, after a few tries.
  void Start(Completion<Status> done);
  void Stop();

  using Keys = std::shared_ptr<const KeySet>;
  // Is told whether the keys are now those of an answer to a request that began after the question.
  using Waiter = std::function<void(bool is_answered)>;

  // The keys; null when the last ones are older than keep_keys.
  Keys keys() const;
  // For somebody who has found nothing in the keys that were `seen`: calls `then` when there is more to know, on the
  // control thread, or on this one when the keys are others by now. False: it will not be called, as the provider was
  // asked within the floor, or too many wait already.
  bool AskAgain(const Keys& seen, Waiter then);
  // When asking again is of use; at least a second.
  Duration floor_left() const;
  // Grows when keys were withdrawn, or have become too old: what was believed by them has to be checked again.
  std::uint64_t generation() const { return generation_; }
  // When the keys came, for operators.
  std::string Describe() const;

 private:
  using Fetched = std::function<void(Result<HttpResponse>)>;

  void Fetch();
  void FetchKeys(const std::string& url);
  void Ask(const std::string& url, Fetched then);
  void Take(const HttpResponse& response);
  void Fail(const Status& why);
  void Finish(Duration next, bool is_answered);
  // Nobody is let in by these keys any more.
  void DropKeys();

  const ProviderSettings settings_;
  Host& host_;
  const Counter refreshed_;
  const Counter failed_;
  const Gauge count_;

  std::atomic<std::uint64_t> generation_{0};
  mutable std::mutex mutex_;  // Guards the members up to last_error_.
  Keys keys_;
  MonotonicTime fetched_at_{};
  MonotonicTime asked_at_{};
  bool is_wanted_ = false;  // a request is under way, or begins at once
  bool is_asking_ = false;  // it is under way
  bool was_asked_ = false;
  std::vector<Waiter> waiters_;  // since before the request began
  std::vector<Waiter> late_;     // since after
  std::string last_error_;

  // The control thread's.
  Secret proxy_;
  Completion<Status> started_;
  bool is_starting_ = false;
  bool is_stopped_ = false;
  int failures_ = 0;

  std::mutex asking_mutex_;  // Guards asking_.
  Timer asking_;             // These go first: their callbacks use what stands above.
  SecretWatch proxy_watch_;
  Timer timer_;
  Timer end_;  // of the keys' time
};

}  // namespace sgw::plugins
