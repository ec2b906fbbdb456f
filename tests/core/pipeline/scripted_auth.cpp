#include "tests/core/pipeline/script.h"

using namespace sgw;
using namespace sgw::testing;

class ScriptedAuth : public Authenticator {
 public:
  ScriptedAuth(const ScriptSettings& settings, Host& host) : script_(settings.get(host)) {}
  AuthAnswer Authenticate(const AuthCall& call) override { return script_.authenticate(call); }

 private:
  Script& script_;
};

SGW_AUTHENTICATOR("scripted_auth", ScriptedAuth, ScriptSettings)
