#include "tests/core/pipeline/scripted_gateway.h"

using namespace sgw::core::testing;

namespace {

std::string Said(const std::string& pipeline) { return ScriptedGateway(pipeline).complaints(); }
bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an order that makes sense draws no complaint") {
  CHECK(Said("  - auth: [auth1, auth2]\n  - router: router1\n  - hot-pool: pool1\n  - discovery: discovery1\n"
             "  - hot-pool: pool1\n    create: true\n  - audit: audit1\n") == "");
}

TEST_CASE("a plugin of another kind than its step is refused with its place") {
  const std::string said = Said("  - auth: auth1\n  - discovery: pool1\n");
  CHECK(Contains(said, "gateway.yaml:18:"));
  CHECK(Contains(said,
                 "pipeline[1]: 'pool1' is a plugin of the kind hot-pool (scripted_pool), the step is of the kind "
                 "discovery"));
}

TEST_CASE("a step behind one that always decides is refused") {
  const std::string said = Said("  - auth: auth1\n  - hot-pool: closed1\n  - discovery: discovery1\n");
  CHECK(Contains(said, "pipeline[2]: 'discovery1' is never asked: 'closed1' before it always decides"));
  CHECK(
      Contains(Said("  - auth: auth1\n  - hot-pool: closed1\n  - hot-pool: pool1\n    create: true\n"), "never asked"));
}

TEST_CASE("a create that the plugin does not offer is refused") {
  CHECK(Contains(Said("  - auth: auth1\n  - hot-pool: closed1\n    create: true\n"),
                 "pipeline[1]: 'closed1' (scripted_closed) makes no servers; leave out `create: true`"));
}

TEST_CASE("a session store is refused, with what keeps sessions instead") {
  CHECK(
      Contains(Said("  - auth: auth1\n  - discovery: discovery1\n  - session-store: pool1\n"),
               "pipeline[2]: one gateway keeps its sessions itself, and several cannot share them yet; leave the step "
               "out, and set `sessions.state` to have sessions survive a restart"));
}
