#include <sgw/plugin.h>
using namespace sgw;

struct PortalSettings {
  std::string url;
  Duration timeout = 2s;  // the documented default comes from here
  static constexpr auto kSchema =
      Settings(Setting("url", &PortalSettings::url, "Where the portal answers POST /introspect.", kRequired),
               Setting("timeout", &PortalSettings::timeout, "How long one question may take."));
};

class Portal : public Authenticator {
 public:
  Portal(PortalSettings settings, Host& host) : settings_(std::move(settings)), http_(host.http()) {}

  AuthAnswer Authenticate(const AuthCall& call) override {  // Identity, AsClaimed, Next, Status or Pending
    const auto token = call.bearer();                       // either header name, scheme removed
    if (!token || !token->starts_with("ptl_")) return Next{};

    auto [pending, done] = call.Defer<AuthAnswer>();
    http_.Send({.method = "POST",
                .url = settings_.url + "/introspect",
                .body = std::string(*token),
                .timeout = settings_.timeout},
               [done = std::move(done)](Result<HttpResponse> reply) {
                 if (!reply || reply->status >= 500) {
                   return done(Unavailable("the portal does not answer", RetryIn(5s)));
                 }
                 const auto user = Json::Parse(reply->body);
                 if (reply->status != 200 || !user) {
                   return done(Unauthenticated("token not known; make one at https://portal/tokens"));
                 }
                 done(Identity{.subject = user->String("/user"), .groups = user->Strings("/teams")});
               });
    return pending;
  }

 private:
  PortalSettings settings_;
  HttpClient& http_;
};

SGW_AUTHENTICATOR("auth_portal", Portal, PortalSettings)
