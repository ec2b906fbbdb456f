#include "tests/core/pipeline/script.h"

using namespace sgw;
using namespace sgw::testing;

// Its answers depend on the credential, and on what it says in `made_from`.
class ScriptedRemembered : public Authenticator {
 public:
  static constexpr bool kIsRemembered = true;

  ScriptedRemembered(const ScriptSettings& settings, Host& host) : script_(settings.get(host)) {}
  AuthAnswer Authenticate(const AuthCall& call) override { return script_.authenticate(call); }

 private:
  Script& script_;
};

SGW_AUTHENTICATOR("scripted_remembered", ScriptedRemembered, ScriptSettings)
