// For the tests of the relay: the bearer token is the subject; "anyone" takes the client's word, "slow" answers late,
// "nobody" is refused.
#include <sgw/plugin.h>

namespace {

class TestAuth : public sgw::Authenticator {
 public:
  static constexpr bool kIsRemembered = true;

  TestAuth(sgw::NoSettings, sgw::Host& host) : host_(host) {}

  sgw::AuthAnswer Authenticate(const sgw::AuthCall& call) override {
    const auto token = call.bearer();
    if (!token) return sgw::Next{};
    if (*token == "anyone") return sgw::AsClaimed{};
    if (*token == "nobody") return sgw::PermissionDenied("You may not come in.");
    sgw::Identity identity{.subject = std::string(*token), .user_name = "Name of " + std::string(*token)};
    if (*token != "slow") return identity;
    auto [pending, done] = call.Defer<sgw::AuthAnswer>();
    timer_ = host_.StartTimer(
        std::chrono::milliseconds(20),
        [completion = std::make_shared<decltype(done)>(std::move(done)), identity] { (*completion)(identity); });
    return pending;
  }

 private:
  sgw::Host& host_;
  sgw::Timer timer_;
};

}  // namespace

SGW_AUTHENTICATOR("relay_test_auth", TestAuth, sgw::NoSettings)
