extern "C" int sgw_plugin_entry() { return 0; }
extern "C" int also_seen() { return 0; }
