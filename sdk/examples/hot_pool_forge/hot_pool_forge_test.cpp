#include <doctest/doctest.h>
#include <sgw/testing.h>

#include <memory>
#include <set>
#include <string>

using namespace sgw;
using namespace sgw::testing;

namespace {

// Forge, as far as the plugin sees it.
struct FakeForge {
  std::optional<Result<HttpResponse>> Answer(const HttpRequest& request) {
    if (is_full) return HttpResponse{.status = 409, .body = "no capacity"};
    const std::string prefix = "http://forge.example/clusters";
    if (request.method == "GET") {
      std::string list;
      for (const std::string& id : clusters) list += (list.empty() ? "" : ",") + Cluster(id);
      return HttpResponse{.status = 200, .body = "[" + list + "]"};
    }
    const std::string rest = request.url.substr(prefix.size() + 1);
    const std::string id = rest.substr(0, rest.find('?'));
    if (request.method == "DELETE") return HttpResponse{.status = clusters.erase(id) > 0 ? 200 : 404};
    clusters.insert(id);
    return HttpResponse{.status = 200, .body = Cluster(id)};
  }
  static std::string Cluster(const std::string& id) {
    return R"({"id":")" + id + R"(","driver":")" + id + R"(.forge:15002","uid":"u-)" + id + R"("})";
  }

  std::set<std::string> clusters;
  bool is_full = false;
};

struct Rig {
  Rig() : pool(host, Loaded(SGW_PLUGIN_FILE), R"({"api": "http://forge.example", "size": 0})") {
    host.OnHttp([this](const HttpRequest& request) { return forge.Answer(request); });
    REQUIRE(pool.Start().Wait().ok());
  }

  FakeForge forge;
  TestHost host;
  PluginUnderTest pool;
};

}  // namespace

void sgw::testing::PrepareForConformance(TestHost& host) {
  host.OnHttp([forge = std::make_shared<FakeForge>()](const HttpRequest& request) { return forge->Answer(request); });
}

TEST_CASE("a cluster is made for who may create, handed out, and deleted when it comes back") {
  Rig rig;

  const PoolAnswer answer = rig.pool.Acquire(CallFrom("alice").RoutedTo("ads"), "key", true).Wait();

  const auto* lease = answer.get<Lease>();
  REQUIRE_MESSAGE(lease, answer.status().message());
  REQUIRE(rig.forge.clusters.size() == 1);
  const std::string id = *rig.forge.clusters.begin();
  CHECK(lease->endpoint.address == id + ".forge:15002");
  CHECK(lease->endpoint.incarnation == "u-" + id);
  CHECK(rig.host.http_requests().back().url == "http://forge.example/clusters/" + id + "?size=m");

  rig.pool.Release(lease->id, LeaseOutcome::kEnded);
  rig.host.Advance(1s);
  CHECK(rig.forge.clusters.empty());
}

TEST_CASE("the caller reads why Forge refused") {
  Rig rig;
  rig.forge.is_full = true;
  const Status status = rig.pool.Acquire(CallFrom("alice").RoutedTo("ads"), "key", true).Wait().status();
  CHECK(status.message().find("no capacity") != std::string::npos);
  // Nothing was made, and what may be left is deleted all the same, as soon as Forge does that.
  rig.forge.is_full = false;
  rig.host.Advance(1min);
  CHECK(rig.host.http_requests().back().method == "DELETE");
}
