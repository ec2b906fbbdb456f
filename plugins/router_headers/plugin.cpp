#include "router_headers.h"

SGW_ROUTER("router_headers", sgw::plugins::HeaderRouter, sgw::plugins::HeaderRouterSettings)
