#include "audit_jsonl.h"

SGW_AUDIT("audit_jsonl", sgw::plugins::JsonLines, sgw::plugins::JsonLinesSettings)
