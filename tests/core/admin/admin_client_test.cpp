#include "core/admin/admin_client.h"

#include <doctest/doctest.h>
#include <sgw/json.h>
#include <sgw/testing/temp_dir.h>

#include "core/admin/admin_server.h"
#include "tests/core/admin/fake_backend.h"

using namespace sgw::core;
using namespace sgw::core::testing;
using List = AdminClient::List;

namespace {

struct ClientFixture {
  const sgw::testing::TempDir folder;
  const std::string address = "unix:" + folder.path() + "/admin.sock";
  FakeBackend backend;
  AdminClient client{address};
};

}  // namespace

TEST_CASE("what the gateway says of itself is what the client hears") {
  ClientFixture f;
  SessionView& session = f.backend.sessions.emplace_back();
  session = {"id", "alice", "corp", "ads-dev", "driver:15002", "bound", "lease-1", "warm", 5s, 250ms, 2, 3};
  f.backend.endpoints.push_back({"driver:15002", "7", "failing", 1, 2, 3, "refused"});
  const auto server = AdminServer::Start(f.address, f.backend);
  REQUIRE(server);

  const auto plugins = f.client.ListPlugins();
  REQUIRE(plugins);
  REQUIRE(plugins->size() == 1);
  const PluginView wanted = f.backend.ListPlugins()[0];
  const PluginView& plugin = plugins->front();
  CHECK(plugin.instance == wanted.instance);
  CHECK(plugin.name == wanted.name);
  CHECK(plugin.kind == wanted.kind);
  CHECK(plugin.file == wanted.file);
  CHECK(plugin.abi == wanted.abi);
  CHECK(plugin.sdk == wanted.sdk);
  CHECK(plugin.capabilities == wanted.capabilities);
  CHECK(plugin.state == wanted.state);

  const auto sessions = f.client.ListSessions();
  REQUIRE(sessions);
  REQUIRE(sessions->size() == 1);
  const SessionView& heard = sessions->front();
  CHECK(heard.session_id == "id");
  CHECK(heard.subject == "alice");
  CHECK(heard.realm == "corp");
  CHECK(heard.namespace_ == "ads-dev");
  CHECK(heard.endpoint == "driver:15002");
  CHECK(heard.state == "bound");
  CHECK(heard.lease_id == "lease-1");
  CHECK(heard.source == "warm");
  CHECK(heard.age == 5s);
  CHECK(heard.idle == 250ms);
  CHECK(heard.open_streams == 2);
  CHECK(heard.operations == 3);

  const auto servers = f.client.ListEndpoints();
  REQUIRE(servers);
  CHECK(servers->discoveries.empty());
  REQUIRE(servers->endpoints.size() == 1);
  const EndpointView& endpoint = servers->endpoints[0];
  CHECK(endpoint.address == "driver:15002");
  CHECK(endpoint.incarnation == "7");
  CHECK(endpoint.state == "failing");
  CHECK(endpoint.connections == 1);
  CHECK(endpoint.streams == 2);
  CHECK(endpoint.failures == 3);
  CHECK(endpoint.last_error == "refused");

  const auto pools = f.client.ListPools();
  REQUIRE(pools);
  CHECK(pools->at(0).instance == "warm");
  CHECK(pools->at(0).json == "{}");
  CHECK(f.client.EndSession({"s1", "alice", "okta"}).ok());
  CHECK(f.client.EndSession({"s1"}) == sgw::NotFound("there is no session s1"));
  CHECK(*f.client.EffectiveConfig(true) == "{}\n");
  CHECK(*f.client.EffectiveConfig(false) == "workers: 0\n");
}

TEST_CASE("a program has every list as JSON, with what plugins say of themselves within it") {
  ClientFixture f;
  f.backend.sessions.emplace_back().session_id = "id";
  f.backend.endpoints.emplace_back().address = "driver:15002";
  const auto server = AdminServer::Start(f.address, f.backend);
  REQUIRE(server);
  const auto ask = [&](List list) {
    const auto text = f.client.Json(list);
    REQUIRE(text);
    const auto json = sgw::Json::Parse(*text);
    REQUIRE_MESSAGE(json, *text);
    return *json;
  };
  CHECK(ask(List::kPlugins).String("/plugins/0/instance") == "who");
  CHECK(ask(List::kSessions).String("/sessions/0/session_id") == "id");
  CHECK(ask(List::kEndpoints).String("/endpoints/0/address") == "driver:15002");
  CHECK(f.client.Json(List::kPools)->find("\"state\": {}") != std::string::npos);
}

TEST_CASE("tens of thousands of sessions are heard in their order") {
  ClientFixture f;
  for (int i = 0; i < 30'000; ++i) f.backend.sessions.emplace_back().session_id = std::to_string(i);
  const auto server = AdminServer::Start(f.address, f.backend);
  REQUIRE(server);
  const auto sessions = f.client.ListSessions();
  REQUIRE(sessions);
  REQUIRE(sessions->size() == 30'000);
  for (std::size_t i = 0; i < sessions->size(); ++i) REQUIRE((*sessions)[i].session_id == std::to_string(i));
}

TEST_CASE("where no gateway answers, each question says so") {
  ClientFixture f;
  CHECK(f.client.ListPlugins().status().code() == sgw::StatusCode::kUnavailable);
  CHECK(f.client.ListSessions().status().code() == sgw::StatusCode::kUnavailable);
  CHECK(f.client.ListPools().status().code() == sgw::StatusCode::kUnavailable);
  CHECK(f.client.ListEndpoints().status().code() == sgw::StatusCode::kUnavailable);
  CHECK(f.client.Json(List::kPools).status().code() == sgw::StatusCode::kUnavailable);
  CHECK(f.client.EndSession({"id"}).code() == sgw::StatusCode::kUnavailable);
  CHECK(f.client.EffectiveConfig(false).status().code() == sgw::StatusCode::kUnavailable);
}
