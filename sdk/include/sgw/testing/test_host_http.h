// What a TestHost does for HTTP requests and watched secrets.
#pragma once

#include <sgw/testing/test_host.h>

namespace sgw::testing {

inline void TestHost::OnHttp(std::function<std::optional<Result<HttpResponse>>(const HttpRequest&)> answer) {
  const std::lock_guard lock(mutex_);
  answer_http_ = std::move(answer);
}

inline std::vector<HttpRequest> TestHost::http_requests() const {
  const std::lock_guard lock(mutex_);
  return http_requests_;
}

inline std::size_t TestHost::SendHttpBody(std::string_view piece) {
  std::vector<sgw_id> streams;
  {
    const std::lock_guard lock(mutex_);
    for (const OpenHttp& request : open_http_) {
      if (request.on_body != 0) streams.push_back(request.on_body);
    }
  }
  const sgw_view view = sgw::detail::View(piece);
  for (const sgw_id id : streams) callbacks_.Run(id, &view, false);
  return streams.size();
}

inline void TestHost::FinishHttp(const Result<HttpResponse>& response) {
  std::vector<OpenHttp> requests;
  {
    const std::lock_guard lock(mutex_);
    requests.swap(open_http_);
  }
  for (const OpenHttp& request : requests) FinishHttp(request, response);
  RunPending();
}

inline void TestHost::FinishHttp(const OpenHttp& request, const Result<HttpResponse>& response) {
  Post(0, request.on_end, [this, request, response] {
    sgw_http_response raw{};
    raw.size = sizeof(raw);
    const Status status = response.status();
    const sgw_status failure = sgw::detail::Raw(status);
    const StringMap no_headers;
    const sgw::detail::RawPairs headers(response ? response->headers : no_headers);
    if (response) {
      raw.status = response->status;
      raw.headers = headers.get();
      const sgw_view body = sgw::detail::View(response->body);
      if (request.on_body == 0) raw.body = body;
      if (request.on_body != 0 && body.size > 0) callbacks_.Run(request.on_body, &body, false);
    } else {
      raw.failure = &failure;
    }
    callbacks_.Run(request.on_end, &raw, true);
    if (request.on_body != 0) callbacks_.Cancel(request.on_body);
  });
}

inline std::size_t TestHost::ChangeSecret(std::string_view setting, std::string_view text) {
  std::vector<sgw_id> told;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [watched, id] : secrets_) {
      if (watched == setting) told.push_back(id);
    }
  }
  const sgw_view view = sgw::detail::View(text);
  for (const sgw_id id : told) callbacks_.Run(id, &view, false);
  return told.size();
}

inline void TestHost::FillHttp() {
  using sgw::detail::Text;
  table_.http_send = [](sgw_host* host, const sgw_http_request* raw) {
    TestHost& self = Of(host);
    HttpRequest request{.method = std::string(Text(raw->method)),
                        .url = std::string(Text(raw->url)),
                        .headers = sgw::detail::Copy(raw->headers),
                        .body = std::string(Text(raw->body)),
                        .timeout = Duration(raw->timeout_ms),
                        .max_response = {static_cast<std::int64_t>(raw->max_response_bytes)},
                        .ca_file = std::string(Text(raw->ca_file)),
                        .certificate_file = std::string(Text(raw->certificate_file)),
                        .key_file = std::string(Text(raw->key_file)),
                        .proxy = std::string(Text(raw->proxy))};
    const OpenHttp open{self.callbacks_.Add(raw->on_end), raw->on_body.call ? self.callbacks_.Add(raw->on_body) : 0};
    std::function<std::optional<Result<HttpResponse>>(const HttpRequest&)> answer;
    {
      const std::lock_guard lock(self.mutex_);
      answer = self.answer_http_;
      self.http_requests_.push_back(request);
    }
    if (const auto response = answer(request)) {
      self.FinishHttp(open, *response);
    } else {
      const std::lock_guard lock(self.mutex_);
      self.open_http_.push_back(open);
    }
    return open.on_end;
  };
  table_.http_cancel = [](sgw_host* host, sgw_id id) {
    TestHost& self = Of(host);
    self.callbacks_.Cancel(id);
    OpenHttp open{};
    {
      const std::lock_guard lock(self.mutex_);
      const auto at = std::find_if(self.open_http_.begin(), self.open_http_.end(),
                                   [id](const OpenHttp& each) { return each.on_end == id; });
      if (at == self.open_http_.end()) return;
      open = *at;
      self.open_http_.erase(at);
    }
    if (open.on_body != 0) self.callbacks_.Cancel(open.on_body);
  };
  table_.secret_watch = [](sgw_host* host, sgw_view setting, sgw_callback callback) {
    TestHost& self = Of(host);
    const sgw_id id = self.callbacks_.Add(callback);
    const std::lock_guard lock(self.mutex_);
    self.secrets_.emplace_back(Text(setting), id);
    return id;
  };
  table_.secret_unwatch = [](sgw_host* host, sgw_id id) { Of(host).callbacks_.Cancel(id); };
  table_.identities_forget = [](sgw_host* host) { ++Of(host).forgotten_identities_; };
}

}  // namespace sgw::testing
