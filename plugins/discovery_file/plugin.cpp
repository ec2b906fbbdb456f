#include "discovery_file.h"

SGW_DISCOVERY("discovery_file", sgw::plugins::File, sgw::plugins::FileSettings)
