// What the host lends for requests to other services: the HTTP client, and notices of changed secrets.
#include <spdlog/spdlog.h>

#include "core/config/files.h"
#include "core/plugin/host.h"
#include "core/plugin/raw_views.h"

namespace sgw::core {
namespace {

constexpr std::size_t kMaxSecretBytes = 64 * 1024;

// A plugin's callback, held by other threads; it goes on the control thread, as its maker was promised.
std::shared_ptr<const Callback> OnControl(sgw_host* host, sgw_callback raw) {
  return {new Callback(raw, host->life), [&control = host->services.control](const Callback* last) {
            control.Post([last = std::unique_ptr<const Callback>(last)] {});
          }};
}

// What is longer would be cut, and mean something else.
Status CheckRequest(const sgw_http_request& raw) {
  if (raw.body.size > kMaxText) {
    return InvalidArgument("the body of an HTTP request has " + std::to_string(raw.body.size) +
                           " bytes; the most is 1 MiB");
  }
  if (raw.headers.count > kMaxItems) {
    return InvalidArgument("an HTTP request has " + std::to_string(raw.headers.count) + " headers; the most are " +
                           std::to_string(kMaxItems));
  }
  return {};
}

HttpClient::Request RequestOf(const sgw_host* host, const sgw_http_request& raw) {
  constexpr std::uint64_t kDefaultMaxResponse = 1 << 20;
  HttpClient::Request request;
  request.method = TextOf(raw.method);
  request.url = TextOf(raw.url);
  request.headers = PairsOf(raw.headers);
  request.body = TextOf(raw.body);
  request.timeout = std::chrono::milliseconds(std::max<std::int64_t>(raw.timeout_ms, 0));
  request.max_response_bytes = raw.max_response_bytes > 0 ? raw.max_response_bytes : kDefaultMaxResponse;
  request.ca_file = TextOf(raw.ca_file);
  request.certificate_file = TextOf(raw.certificate_file);
  request.key_file = TextOf(raw.key_file);
  request.proxy = TextOf(raw.proxy);
  request.owner = host->life.get();
  return request;
}

void Tell(const Callback& callback, const HttpClient::Response& response) {
  sgw_status failure{};
  failure.size = sizeof(failure);
  failure.code = static_cast<std::int32_t>(response.failure.code());
  failure.message = View(response.failure.message());
  failure.retry_ms = -1;
  const RawPairs headers(response.headers);
  const sgw_http_response raw{sizeof(raw), response.status, headers.get(), View(response.body),
                              response.failure.ok() ? nullptr : &failure};
  callback(&raw);
}

sgw_id HttpSend(sgw_host* host, const sgw_http_request* raw) {
  if (!SGW_HAS(raw, on_end)) return 0;
  HostServices& services = host->services;
  const std::uint64_t id = services.next_id++;
  HttpClient::Events events;
  if (raw->on_body.call) {
    events.on_body = [&services, id, untaken = events.untaken,
                      callback = OnControl(host, raw->on_body)](std::string piece) {
      services.control.Post([&services, id, untaken, callback, piece = std::move(piece)] {
        const sgw_view view = View(piece);
        (*callback)(&view);
        *untaken -= piece.size();
        services.http().Resume(id);
      });
    };
  }
  events.on_end = [&services, callback = OnControl(host, raw->on_end)](HttpClient::Response response) {
    services.control.Post([callback, response = std::move(response)] { Tell(*callback, response); });
  };
  if (Status status = CheckRequest(*raw); !status.ok()) {
    HttpClient::Response refused;
    refused.failure = std::move(status);
    events.on_end(std::move(refused));
    return id;
  }
  services.http().Send(id, RequestOf(host, *raw), std::move(events));
  return id;
}

void HttpCancel(sgw_host* host, sgw_id id) { host->services.http().Cancel(id, host->life.get()); }

// Reads a secret's file anew and tells the plugin; a file that cannot be read leaves it with what it has.
struct WatchedSecret {
  std::string path;
  Callback callback;
  SecretTexts& secrets;
  std::string now{};     // since it changed for the first time
  std::string before{};  // texts may still be about it

  static void Changed(void* context, const void*) {
    auto& self = *static_cast<WatchedSecret*>(context);
    std::string why = "it has more than 64 KiB";
    auto text = ReadSmallFile(self.path, kMaxSecretBytes, why);
    if (!text) {
      return spdlog::warn("{}: the secret in {} cannot be read ({}); the one before stays in use",
                          self.callback.life().name, self.path, why);
    }
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
    self.secrets.Add(*text);
    self.secrets.Remove(std::exchange(self.before, std::exchange(self.now, *text)));
    const sgw_view view = View(*text);
    self.callback(&view);
  }
};

sgw_id SecretWatch(sgw_host* host, sgw_view setting, sgw_callback raw) {
  Callback callback(raw, host->life);
  const auto file = host->secret_files.find(TextOf(setting));
  if (file == host->secret_files.end()) return 0;
  HostServices& services = host->services;
  const std::uint64_t id = services.next_id++;
  const sgw_callback watch{WatchedSecret::Changed, [](void* self) { delete static_cast<WatchedSecret*>(self); },
                           new WatchedSecret{file->second, std::move(callback), services.secrets}};
  services.callbacks.Add(id, Callback(watch, host->life));
  services.files.Watch(id, file->second);
  return id;
}

void SecretUnwatch(sgw_host* host, sgw_id id) {
  if (host->services.callbacks.Remove(id, *host->life)) host->services.files.Unwatch(id);
}

void IdentitiesForget(sgw_host* host) { ++host->life->identities_forgotten; }

}  // namespace

void SetHttpFunctions(sgw_host_table& table) {
  table.http_send = HttpSend;
  table.http_cancel = HttpCancel;
  table.secret_watch = SecretWatch;
  table.secret_unwatch = SecretUnwatch;
  table.identities_forget = IdentitiesForget;
}

}  // namespace sgw::core
