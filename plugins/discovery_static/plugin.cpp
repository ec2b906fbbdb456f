#include "discovery_static.h"

SGW_DISCOVERY("discovery_static", sgw::plugins::Static, sgw::plugins::StaticSettings)
