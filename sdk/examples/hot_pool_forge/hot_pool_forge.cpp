#include <sgw/plugin.h>
using namespace sgw;

struct ForgeSettings {
  std::string api;
  static constexpr auto kSchema =
      Settings(Setting("api", &ForgeSettings::api, "Where Forge answers PUT, DELETE and GET /clusters.", kRequired));
};

class Forge : public Launcher {
 public:
  Forge(ForgeSettings settings, Host& host) : settings_(std::move(settings)), http_(host.http()) {}

  // `id` is made by the pool and stays the same when a start is tried again, so a start is idempotent.
  void Start(const Route& route, std::string id, PhaseReport phase, Completion<Result<Server>> done) override {
    phase("asking Forge");  // shown to the waiting caller and in `spark-gateway pools`
    http_.Send({.method = "PUT",
                .url = settings_.api + "/clusters/" + id + "?size=" + route.attribute("size", "m"),
                .timeout = 4min},
               [=](Result<HttpResponse> reply) {
                 if (!reply) return done(reply.status());
                 const auto made = Json::Parse(reply->body);
                 if (reply->status != 200 || !made) return done(FailedPrecondition("Forge refused: " + reply->body));
                 done(ServerOf(*made));
               });
  }

  // The pool tries until it holds.
  void Stop(const Server& server, Completion<Status> done) override {
    http_.Send({.method = "DELETE", .url = settings_.api + "/clusters/" + server.id}, [=](Result<HttpResponse> reply) {
      if (!reply) return done(reply.status());
      done(reply->status == 200 || reply->status == 404 ? Status() : Unavailable("Forge does not delete it yet"));
    });
  }

  // Adoption and orphan sweep after a restart.
  void List(Completion<Result<std::vector<Server>>> done) override {
    http_.Send({.url = settings_.api + "/clusters"}, [=](Result<HttpResponse> reply) {
      if (!reply) return done(reply.status());
      const auto all = Json::Parse(reply->body);
      if (reply->status != 200 || !all) return done(Unavailable("Forge does not list its clusters"));
      std::vector<Server> servers;
      for (const Json& one : all->elements()) servers.push_back(ServerOf(one));
      done(std::move(servers));
    });
  }

 private:
  static Server ServerOf(const Json& cluster) {
    return {.id = cluster.String("/id"),
            .endpoint = {.address = cluster.String("/driver"), .incarnation = cluster.String("/uid")}};
  }

  ForgeSettings settings_;
  HttpClient& http_;
};

SGW_LAUNCHER("hot_pool_forge", Forge, ForgeSettings)
