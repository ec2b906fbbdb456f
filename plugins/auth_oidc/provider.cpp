#include "provider.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace sgw::plugins {
namespace {

constexpr std::size_t kMaxWaiters = 1'000;
constexpr int kTriesAtStart = 4;
constexpr Duration kFirstPause = 1s;
constexpr Duration kLongestPause = 60s;
constexpr Duration kLeastFloor = 1s;

// What stands between the scheme, if there is one, and the path.
std::string_view AuthorityOf(std::string_view url) {
  if (const std::size_t end = url.find("://"); end != std::string_view::npos) url.remove_prefix(end + 3);
  return url.substr(0, url.find_first_of("/?#"));
}

bool HasUser(std::string_view url) { return AuthorityOf(url).find('@') != std::string_view::npos; }

// https, or http to a host that is this machine, without a user name.
bool IsSafe(std::string_view url) {
  if (HasUser(url)) return false;
  if (url.starts_with("https://")) return true;
  if (!url.starts_with("http://")) return false;
  std::string_view host = AuthorityOf(url);
  if (host.starts_with('[')) return host.starts_with("[::1]");
  host = host.substr(0, host.find(':'));
  if (host == "localhost") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// max-age of Cache-Control (RFC 9111); none when it does not say.
std::optional<Duration> MaxAge(const HttpResponse& response) {
  const std::string_view text = response.header("cache-control").value_or("");
  const std::size_t at = text.find("max-age=");
  if (at == std::string_view::npos) return std::nullopt;
  std::int64_t seconds = 0;
  const char* const begin = text.data() + at + 8;
  if (std::from_chars(begin, text.data() + text.size(), seconds).ec != std::errc()) return std::nullopt;
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, 86'400));
}

}  // namespace

Status ProviderSettings::Validate() const {
  for (const auto& [name, url] : StringMap{{"issuer", issuer}, {"jwks_url", jwks_url}}) {
    const bool is_left_out = name == "jwks_url" && url.empty();
    if (is_left_out || IsSafe(url)) continue;
    if (HasUser(url)) return InvalidArgument(name + ": must have no user name or password");
    return InvalidArgument(name + ": '" + url.substr(0, url.find('?')) +
                           "' must begin with https:// (http:// only to this machine itself)");
  }
  if (!proxy.empty() && !proxy.Reveal().starts_with("http://") && !proxy.Reveal().starts_with("https://")) {
    return InvalidArgument("proxy: must begin with http:// or https://");
  }
  if (refresh < refresh_floor) return InvalidArgument("refresh: must not be shorter than refresh_floor");
  if (refresh_floor < kLeastFloor) return InvalidArgument("refresh_floor: must be at least 1s");
  if (keep_keys < refresh) return InvalidArgument("keep_keys: must not be shorter than refresh");
  if (timeout <= 0ms) return InvalidArgument("timeout: must be above 0");
  // The next keys are asked for after two floors at the latest, by two requests.
  if (keep_keys < 2 * refresh_floor + 2 * timeout)
    return InvalidArgument("keep_keys: must be at least twice refresh_floor and twice timeout together");
  return {};
}

Provider::Provider(ProviderSettings settings, Host& host)
    : settings_(std::move(settings)),
      host_(host),
      refreshed_(host.MakeCounter("spark_gateway_auth_oidc_refreshes_total", "Requests for the provider's keys.",
                                  {{"result", "ok"}})),
      failed_(host.MakeCounter("spark_gateway_auth_oidc_refreshes_total", "Requests for the provider's keys.",
                               {{"result", "failed"}})),
      count_(host.MakeGauge("spark_gateway_auth_oidc_keys", "Keys of the provider that can be used.")),
      proxy_(settings_.proxy) {
  const std::string ca_file = settings_.ca_file.empty() ? "" : host.Path(settings_.ca_file);
  if (!ca_file.empty() && !std::ifstream(ca_file).is_open())
    throw std::runtime_error("ca_file: cannot read " + ca_file + ": " + std::strerror(errno));
}

void Provider::Start(Completion<Status> done) {
  started_ = std::move(done);
  is_starting_ = true;
  proxy_watch_ = host_.WatchSecret("/proxy", [this](Secret proxy) { proxy_ = std::move(proxy); });
  Fetch();
}

void Provider::Stop() {
  is_stopped_ = true;
  proxy_watch_.Reset();
  timer_.Reset();
  end_.Reset();
  {
    const std::lock_guard lock(asking_mutex_);
    asking_.Reset();
  }
  started_ = {};
}

Provider::Keys Provider::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_ && host_.Now() - fetched_at_ <= settings_.keep_keys ? keys_ : nullptr;
}

bool Provider::AskAgain(const Keys& seen, Waiter then) {
  bool are_others = false;
  {
    const std::lock_guard lock(mutex_);
    are_others = keys_ && keys_ != seen;
    if (!are_others) {
      const bool is_early = was_asked_ && host_.Now() - asked_at_ < settings_.refresh_floor;
      if ((is_early && !is_wanted_) || waiters_.size() + late_.size() >= kMaxWaiters) return false;
      (is_asking_ ? late_ : waiters_).push_back(std::exchange(then, nullptr));
      if (std::exchange(is_wanted_, true)) return true;
    }
  }
  if (are_others) {
    then(false);
    return true;
  }
  const std::lock_guard lock(asking_mutex_);
  asking_ = host_.StartTimer(0ms, [this] { Fetch(); });
  return true;
}

Duration Provider::floor_left() const {
  const std::lock_guard lock(mutex_);
  return std::max(std::chrono::ceil<Duration>(asked_at_ + settings_.refresh_floor - host_.Now()), kLeastFloor);
}

void Provider::Fetch() {
  if (is_stopped_) return;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_asking_, true)) return;  // A refresh came due while a token's key was being asked for.
    is_wanted_ = true;
    was_asked_ = true;
    asked_at_ = host_.Now();
  }
  if (!settings_.jwks_url.empty()) return FetchKeys(settings_.jwks_url);
  std::string url = settings_.issuer;
  if (url.ends_with('/')) url.pop_back();
  Ask(url + "/.well-known/openid-configuration", [this](const Result<HttpResponse>& response) {
    if (!response) return Fail(response.status());
    const auto document = Json::Parse(response->body);
    if (!document) return Fail(Unavailable("its discovery document is no JSON: " + document.status().message()));
    if (document->String("/issuer") != settings_.issuer) {
      return Fail(
          Unavailable("its discovery document is of the issuer '" + document->String("/issuer").substr(0, 200) + "'"));
    }
    const std::string keys = document->String("/jwks_uri");
    if (!IsSafe(keys)) return Fail(Unavailable("its discovery document has no jwks_uri with https://"));
    FetchKeys(keys);
  });
}

void Provider::FetchKeys(const std::string& url) {
  Ask(url, [this](const Result<HttpResponse>& response) {
    if (!response) return Fail(response.status());
    Take(*response);
  });
}

void Provider::Ask(const std::string& url, Fetched then) {
  host_.http().Send(
      {.url = url,
       .headers = {{"accept", "application/json"}},
       .timeout = settings_.timeout,
       .ca_file = settings_.ca_file.empty() ? "" : host_.Path(settings_.ca_file),
       .proxy = proxy_.Reveal()},
      [this, shown = url.substr(0, url.find('?')), then = std::move(then)](Result<HttpResponse> response) {
        if (is_stopped_) return;
        if (response && response->status != 200) {
          return then(Unavailable(shown + " answered with HTTP status " + std::to_string(response->status)));
        }
        then(std::move(response));
      });
}

void Provider::Take(const HttpResponse& response) {
  auto keys = KeySet::Parse(response.body);
  if (!keys) return Fail(keys.status());
  bool is_withdrawn = false;
  bool was_failing = false;
  {
    const std::lock_guard lock(mutex_);
    is_withdrawn = keys_ && !(*keys)->HasAllOf(*keys_);
    keys_ = *keys;
    fetched_at_ = host_.Now();
    was_failing = !std::exchange(last_error_, "").empty();
  }
  failures_ = 0;
  refreshed_.Add();
  count_.Set(static_cast<double>((*keys)->size()));
  if (was_failing) host_.Info("the identity provider answers again");
  if (is_withdrawn) {
    ++generation_;
    host_.ForgetIdentities();
    host_.Info("the identity provider has withdrawn a key; what it had signed is checked again");
  }
  end_ = host_.StartTimer(settings_.keep_keys + 1ms, [this] { DropKeys(); });
  const Duration age = std::min(settings_.refresh, MaxAge(response).value_or(settings_.refresh));
  // Ahead of its end, and not so often that no unknown key could ever be asked for.
  Finish(std::max<Duration>(age * 4 / 5, 2 * settings_.refresh_floor), true);
}

// Whether the provider is silent, or has not even said that it will be.
void Provider::DropKeys() {
  {
    const std::lock_guard lock(mutex_);
    keys_ = nullptr;
    if (last_error_.empty()) last_error_ = "no answer for longer than keep_keys";
  }
  ++generation_;
  host_.ForgetIdentities();  // Connections that remember a token ask again.
  count_.Set(0);
  host_.Error("the keys of " + settings_.issuer +
              " are older than keep_keys: nobody is let in until the identity provider answers");
}

void Provider::Fail(const Status& why) {
  bool was_failing = false;
  {
    const std::lock_guard lock(mutex_);
    was_failing = !std::exchange(last_error_, why.message()).empty();
  }
  failed_.Add();
  ++failures_;
  if (!was_failing) host_.Warn("the keys of " + settings_.issuer + " cannot be had: " + why.message());
  if (is_starting_ && failures_ >= kTriesAtStart) {
    is_starting_ = false;
    started_(Unavailable("the keys of " + settings_.issuer + " cannot be had: " + why.message()));
  }
  const auto doubled = kFirstPause * (1 << std::min(failures_ - 1, 6));
  if (is_starting_) return Finish(doubled, false);
  Finish(std::max(std::min<Duration>(doubled, kLongestPause), settings_.refresh_floor), false);
}

void Provider::Finish(Duration next, bool is_answered) {
  std::vector<Waiter> waiters;
  std::vector<Waiter> late;
  {
    const std::lock_guard lock(mutex_);
    is_wanted_ = is_asking_ = false;
    waiters.swap(waiters_);
    late.swap(late_);
  }
  timer_ = host_.StartTimer(next, [this] { Fetch(); });
  if (is_starting_ && failures_ == 0) {
    is_starting_ = false;
    started_(Status());
  }
  for (const Waiter& waiter : waiters) waiter(is_answered);
  for (const Waiter& waiter : late) waiter(false);
}

std::string Provider::Describe() const {
  JsonWriter json;
  const std::lock_guard lock(mutex_);
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(host_.Now() - fetched_at_).count();
  json.BeginObject().Member("issuer", settings_.issuer).Member("keys", keys_ ? keys_->size() : 0);
  if (keys_) json.Member("age_ms", age);
  if (!last_error_.empty()) json.Member("last_error", last_error_);
  json.EndObject();
  return std::move(json).Text();
}

}  // namespace sgw::plugins
