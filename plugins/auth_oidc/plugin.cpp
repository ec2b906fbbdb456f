#include "auth_oidc.h"

SGW_AUTHENTICATOR("auth_oidc", sgw::plugins::Oidc, sgw::plugins::OidcSettings)
