#include "core/plugin/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <mutex>
#include <new>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/worker/task.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxRequests = 1'024;
constexpr std::size_t kMaxHeaderBytes = 64 * 1024;
constexpr std::size_t kMaxUntaken = 1 << 20;
constexpr long kConnectTimeoutMs = 10'000;
constexpr long kAuthoritiesLiveSeconds = 60;  // a replaced ca_file is read again after this
constexpr int kPollMs = 60'000;
constexpr char kUrlRule[] = "the URL must be http:// or https://, without a user name";

// Scheme, host and port: what messages say of a URL, as there may be secrets in all the rest. Empty: it is no URL.
std::string ServerOf(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) return {};
  for (const CURLUPart part :
       {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_PATH, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    curl_url_set(parsed.get(), part, nullptr, 0);
  }
  char* text = nullptr;
  if (curl_url_get(parsed.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) return {};
  std::string server(text);
  curl_free(text);
  if (server.back() == '/') server.pop_back();  // the path
  return server;
}

// One request under way. Lives on the loop's thread.
class Transfer {
 public:
  Transfer(HttpClient::Request request, HttpClient::Events events)
      : request_(std::move(request)),
        server_(ServerOf(request_.url)),
        events_(std::move(events)),
        easy_(curl_easy_init()) {
    if (!easy_) throw std::bad_alloc();
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    curl_easy_cleanup(easy_);
    curl_slist_free_all(headers_);
  }

  CURL* easy() const { return easy_; }
  const void* owner() const { return request_.owner; }

  Status Prepare();
  void Resume() { curl_easy_pause(easy_, CURLPAUSE_CONT); }
  void End(CURLcode code);
  void Fail(Status why) {
    response_ = {};
    response_.failure = std::move(why);
    events_.on_end(std::move(response_));
  }

 private:
  template <typename T>
  void Set(CURLoption option, T value) {
    if (curl_easy_setopt(easy_, option, value) != CURLE_OK) is_refused_ = true;
  }
  void SetFile(CURLoption option, const std::string& path) {
    if (!path.empty()) Set(option, path.c_str());
  }
  bool is_streaming() const { return events_.on_body && response_.status >= 200 && response_.status < 300; }
  std::size_t OnHeader(std::string_view line);
  std::size_t OnBody(std::string_view piece);
  Status FailureOf(CURLcode code) const;

  const HttpClient::Request request_;
  const std::string server_;
  const HttpClient::Events events_;
  CURL* const easy_;
  curl_slist* headers_ = nullptr;
  char error_[CURL_ERROR_SIZE] = "";
  bool is_refused_ = false;
  bool is_too_long_ = false;
  std::size_t header_bytes_ = 0;
  HttpClient::Response response_;
};

Status Transfer::Prepare() {
  if (server_.empty()) return InvalidArgument(std::string("cannot ask: ") + kUrlRule);
  Set(CURLOPT_ERRORBUFFER, error_);
  Set(CURLOPT_NOSIGNAL, 1L);
  Set(CURLOPT_QUICK_EXIT, 1L);
  Set(CURLOPT_PROTOCOLS_STR, "http,https");
  Set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  Set(CURLOPT_FOLLOWLOCATION, 0L);
  Set(CURLOPT_URL, request_.url.c_str());
  Set(CURLOPT_PROXY, request_.proxy.c_str());  // an empty one keeps the environment's out
  Set(CURLOPT_NOPROXY, "");
  Set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
  Set(CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  Set(CURLOPT_CA_CACHE_TIMEOUT, kAuthoritiesLiveSeconds);
  SetFile(CURLOPT_CAINFO, request_.ca_file);
  SetFile(CURLOPT_SSLCERT, request_.certificate_file);
  SetFile(CURLOPT_SSLKEY, request_.key_file);
  Set(CURLOPT_USERAGENT, "spark-gateway");
  // Rather one HTTP/2 connection than many. Without TLS there is none, and one would wait for another's whole answer.
  Set(CURLOPT_PIPEWAIT, server_.rfind("https:", 0) == 0 ? 1L : 0L);

  if (request_.method == "HEAD") {
    Set(CURLOPT_NOBODY, 1L);
  } else if (request_.method != "GET" || !request_.body.empty()) {
    Set(CURLOPT_POSTFIELDS, request_.body.data());
    Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    Set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    headers_ = curl_slist_append(headers_, "expect:");
  }
  for (const auto& [name, value] : request_.headers) {
    if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return InvalidArgument("the header '" + name.substr(0, 40) + "' of a request has a line break");
    }
    headers_ = curl_slist_append(headers_, (name + (value.empty() ? ";" : ": " + value)).c_str());
  }
  Set(CURLOPT_HTTPHEADER, headers_);

  Set(CURLOPT_HEADERDATA, this);
  Set(
      CURLOPT_HEADERFUNCTION, +[](char* data, std::size_t one, std::size_t count, void* self) {
        return static_cast<Transfer*>(self)->OnHeader({data, one * count});
      });
  Set(CURLOPT_WRITEDATA, this);
  Set(
      CURLOPT_WRITEFUNCTION, +[](char* data, std::size_t one, std::size_t count, void* self) {
        return static_cast<Transfer*>(self)->OnBody({data, one * count});
      });
  if (is_refused_) return InvalidArgument("cannot ask " + server_ + ": the request is malformed");
  return {};
}

std::size_t Transfer::OnHeader(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) {
    is_too_long_ = true;
    return 0;
  }
  if (line.rfind("HTTP/", 0) == 0) {  // the last response counts: others were a proxy's, or interim ones
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    response_ = {static_cast<int>(status), {}, {}, {}};
    return line.size();
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) value.remove_suffix(1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  response_.headers.emplace_back(std::move(name), std::string(value));
  return line.size();
}

std::size_t Transfer::OnBody(std::string_view piece) {
  if (is_streaming()) {
    if (*events_.untaken > kMaxUntaken) return CURL_WRITEFUNC_PAUSE;
    *events_.untaken += piece.size();
    events_.on_body(std::string(piece));
    return piece.size();
  }
  if (response_.body.size() + piece.size() > request_.max_response_bytes) {
    is_too_long_ = true;
    return 0;
  }
  response_.body.append(piece);
  return piece.size();
}

Status Transfer::FailureOf(CURLcode code) const {
  const std::string what = "cannot ask " + server_ + ": ";
  if (is_too_long_) {
    return ResourceExhausted(what + "the response is longer than " + std::to_string(request_.max_response_bytes) +
                             " bytes, or its headers than " + std::to_string(kMaxHeaderBytes));
  }
  // It shows a proxy's URL that it cannot read, with the password.
  if (!request_.proxy.empty() && std::string_view(error_).find(request_.proxy) != std::string_view::npos) {
    return InvalidArgument(what + "the proxy's URL is malformed");
  }
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_LOGIN_DENIED: return InvalidArgument(what + kUrlRule);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM: return InvalidArgument(what + (error_[0] ? error_ : curl_easy_strerror(code)));
    default: return Unavailable(what + (error_[0] ? error_ : curl_easy_strerror(code)));
  }
}

void Transfer::End(CURLcode code) {
  if (code != CURLE_OK) return Fail(FailureOf(code));
  events_.on_end(std::move(response_));
}

}  // namespace

class HttpClient::Loop {
 public:
  Loop() : multi_(Start()), thread_([this] { Run(); }) {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    Post([this] { is_ending_ = true; });
    thread_.join();
    for (const auto& [id, transfer] : transfers_) curl_multi_remove_handle(multi_, transfer->easy());
    transfers_.clear();
    curl_multi_cleanup(multi_);
  }

  void Post(Task task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
    }
    curl_multi_wakeup(multi_);
  }

  // The rest is for the loop's own thread.

  void Add(std::uint64_t id, Request request, Events events) {
    auto transfer = std::make_unique<Transfer>(std::move(request), std::move(events));
    Status status = transfer->Prepare();
    if (transfers_.size() >= kMaxRequests) status = ResourceExhausted("too many HTTP requests are under way");
    if (!status.ok()) return transfer->Fail(std::move(status));
    curl_multi_add_handle(multi_, transfer->easy());
    transfers_.emplace(id, std::move(transfer));
  }
  void Remove(std::uint64_t id) {
    const auto at = transfers_.find(id);
    if (at == transfers_.end()) return;
    curl_multi_remove_handle(multi_, at->second->easy());
    transfers_.erase(at);
  }
  void Cancel(std::uint64_t id, const void* owner) {
    const auto at = transfers_.find(id);
    if (at != transfers_.end() && at->second->owner() == owner) Remove(id);
  }
  void RemoveAll(const void* owner) {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, transfer] : transfers_) {
      if (transfer->owner() == owner) ids.push_back(id);
    }
    for (const std::uint64_t id : ids) Remove(id);
  }
  void Resume(std::uint64_t id) {
    if (const auto at = transfers_.find(id); at != transfers_.end()) at->second->Resume();
  }

 private:
  static CURLM* Start() {
    static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM* const multi = started == CURLE_OK ? curl_multi_init() : nullptr;
    if (!multi) throw std::bad_alloc();
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, 16L);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 128L);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 32L);
    return multi;
  }

  void Run() {
    while (!is_ending_) {
      std::vector<Task> tasks;
      {
        const std::lock_guard lock(mutex_);
        tasks.swap(tasks_);
      }
      for (Task& task : tasks) task();
      int running = 0;
      curl_multi_perform(multi_, &running);
      Finish();
      if (!is_ending_) curl_multi_poll(multi_, nullptr, 0, kPollMs, nullptr);
    }
  }

  void Finish() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      const auto at =
          std::find_if(transfers_.begin(), transfers_.end(),
                       [easy = message->easy_handle](const auto& one) { return one.second->easy() == easy; });
      curl_multi_remove_handle(multi_, message->easy_handle);
      if (at != transfers_.end()) transfers_.extract(at).mapped()->End(code);
    }
  }

  CURLM* const multi_;
  std::mutex mutex_;  // Guards tasks_.
  std::vector<Task> tasks_;
  bool is_ending_ = false;
  std::unordered_map<std::uint64_t, std::unique_ptr<Transfer>> transfers_;
  std::thread thread_;  // the last: it uses all others
};

HttpClient::HttpClient() : loop_(std::make_unique<Loop>()) {}

HttpClient::~HttpClient() = default;

void HttpClient::Send(std::uint64_t id, Request request, Events events) {
  loop_->Post([loop = loop_.get(), id, request = std::move(request), events = std::move(events)]() mutable {
    loop->Add(id, std::move(request), std::move(events));
  });
}

void HttpClient::Cancel(std::uint64_t id, const void* owner) {
  loop_->Post([loop = loop_.get(), id, owner] { loop->Cancel(id, owner); });
}

void HttpClient::CancelAll(const void* owner) {
  loop_->Post([loop = loop_.get(), owner] { loop->RemoveAll(owner); });
}

void HttpClient::Resume(std::uint64_t id) {
  loop_->Post([loop = loop_.get(), id] { loop->Resume(id); });
}

}  // namespace sgw::core
