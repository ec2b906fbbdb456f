#include "auth_mtls.h"

SGW_AUTHENTICATOR("auth_mtls", sgw::plugins::Mtls, sgw::plugins::MtlsSettings)
