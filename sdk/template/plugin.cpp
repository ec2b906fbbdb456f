#include "router_by_group.h"

SGW_ROUTER("router_by_group", acme::RouterByGroup, acme::RouterByGroupSettings)
