#include "auth_anonymous.h"

SGW_AUTHENTICATOR("auth_anonymous", sgw::plugins::Anonymous, sgw::plugins::AnonymousSettings)
