// What the README's example says is what is tested.
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "rig.h"

using namespace sgw;
using namespace sgw::plugins;
using namespace sgw::plugins::testing;

namespace {

// As the gateway gives settings to a plugin.
void Write(const YAML::Node& node, JsonWriter& json) {
  if (node.IsMap()) {
    json.BeginObject();
    for (const auto& one : node) {
      // The authorities of a cluster are in its pods alone.
      if (one.first.Scalar() != "use" && one.first.Scalar() != "ca_file")
        Write(one.second, json.Key(one.first.Scalar()));
    }
    json.EndObject();
  } else if (node.IsSequence()) {
    json.BeginArray();
    for (const YAML::Node& one : node) Write(one, json);
    json.EndArray();
  } else {
    const bool is_flag = node.Tag() != "!" && (node.Scalar() == "true" || node.Scalar() == "false");
    is_flag ? json.Value(node.as<bool>()) : json.Value(node.Scalar());
  }
}

YAML::Node Examples() {
  std::ifstream file("README.md");
  const std::string page(std::istreambuf_iterator<char>(file), {});
  const std::size_t begin = page.find("\nplugins:\n", page.find("\n## Example\n"));
  REQUIRE(begin != std::string::npos);
  return YAML::Load(page.substr(begin, page.find("\n```", begin) - begin))["plugins"];
}

// What the provider's tokens say besides `iss` and `exp`; without `aud`, they are for the audience of the example.
struct Example {
  std::string claims;
  std::string subject;
  std::vector<std::string> groups;
  // Tokens that it gives to others.
  std::vector<std::string> strangers;
};

}  // namespace

TEST_CASE("the README's examples read the tokens of well-known providers, and let in no stranger") {
  const std::vector<std::pair<std::string, Example>> examples = {
      {"okta",
       {R"("sub":"a@acme.com","groups":["ads"])",
        "a@acme.com",
        {"ads"},
        {R"("sub":"a@acme.com","groups":["ads"],"aud":"api://default")"}}},
      {"entra",
       {R"("sub":"xyz","oid":"0a1b","roles":["Spark.User"],"groups":["g1"],"ver":"2.0")",
        "0a1b",
        {"Spark.User", "g1"},
        {R"("sub":"xyz","oid":"0a1b","aud":"another GUID")", R"("sub":"xyz","oid":"0a1b","aud":"api://spark-gateway")",
         R"("sub":"xyz")"}}},
      {"google",
       {R"("sub":"1","email":"a@acme.com","email_verified":true,"hd":"acme.com","at_hash":"x","azp":"x")",
        "a@acme.com",
        {"acme.com"},
        {R"("sub":"1","email":"a@evil.com","email_verified":true,"hd":"evil.com","at_hash":"x")",
         R"("sub":"1","email":"a@acme.com","email_verified":false,"hd":"acme.com","at_hash":"x")",
         R"("sub":"1","email":"x@evil.iam.gserviceaccount.com","email_verified":true)",
         R"("sub":"1","email":"a@acme.com","email_verified":true,"hd":"acme.com","aud":"x.apps.googleusercontent.com")"}}},
      {"keycloak",
       {R"("sub":"u1","typ":"Bearer","realm_access":{"roles":["ads"]})",
        "u1",
        {"ads"},
        {R"("sub":"u1","typ":"Bearer","realm_access":{"roles":["ads"]},"aud":"account")",
         R"("sub":"u1","typ":"ID","realm_access":{"roles":["ads"]})",
         R"("sub":"u1","typ":"Refresh","realm_access":{"roles":["ads"]})"}}},
      {"pods",
       {R"("sub":"system:serviceaccount:ads:etl","kubernetes.io":{"namespace":"ads","pod":{"name":"p"}})",
        "system:serviceaccount:ads:etl",
        {"ads"},
        {R"("sub":"system:serviceaccount:ads:etl","aud":["https://kubernetes.default.svc.cluster.local"])"}}},
      {"actions",
       {R"("sub":"repo:acme/etl:ref:refs/heads/main","repository":"acme/etl","repository_owner":"acme")",
        "repo:acme/etl:ref:refs/heads/main",
        {"acme/etl"},
        {R"("sub":"repo:evil/etl:ref:refs/heads/main","repository":"evil/etl","repository_owner":"evil")",
         R"("sub":"repo:acme/etl:ref:refs/heads/main","repository":"acme/etl")"}}},
      {"buildkite",
       {R"("sub":"organization:acme:pipeline:etl:ref:refs/heads/main:commit:c:step:","organization_slug":"acme",)"
        R"("pipeline_slug":"etl")",
        "organization:acme:pipeline:etl:ref:refs/heads/main:commit:c:step:",
        {"etl"},
        {R"("sub":"organization:evil:pipeline:etl:ref:refs/heads/main:commit:c:step:","organization_slug":"evil",)"
         R"("pipeline_slug":"etl")"}}},
  };
  const YAML::Node written = Examples();
  CHECK(written.size() == examples.size());
  for (const auto& [title, example] : examples) {
    const std::string name = title;
    CAPTURE(name);
    const YAML::Node settings = written[name];
    JsonWriter json;
    Write(settings, json);
    Rig rig(settings["issuer"].Scalar(), json.Text());
    REQUIRE_MESSAGE(rig.plugin.created().ok(), rig.plugin.created().message());
    if (settings["jwks_url"]) rig.jwks_url = settings["jwks_url"].Scalar();
    rig.Start();
    const auto ask = [&](const std::string& said) {
      std::string claims = R"({"iss":")" + rig.issuer + R"(","exp":1000600,)" + said;
      if (said.find(R"("aud":)") == std::string::npos) {
        claims += R"(,"aud":")" + settings["audiences"][0].Scalar() + '"';
      }
      return rig.Ask(rig.signer.Sign("ES256", claims + "}"));
    };

    const AuthAnswer answer = ask(example.claims);
    const auto* identity = answer.get<Identity>();
    REQUIRE_MESSAGE(identity, answer.status().message());
    CHECK(identity->subject == example.subject);
    CHECK(identity->groups == example.groups);
    CHECK_FALSE(example.strangers.empty());
    for (const std::string& stranger : example.strangers) {
      CAPTURE(stranger);
      CHECK(IsRefused(ask(stranger)));
    }
  }
}
