#include "auth_token.h"

SGW_AUTHENTICATOR("auth_token", sgw::plugins::Token, sgw::plugins::TokenSettings)
