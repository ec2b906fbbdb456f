#include "auth_mtls.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sgw/testing.h>

using namespace sgw;
using namespace sgw::plugins;
using namespace sgw::testing;

namespace {

AuthAnswer Ask(const std::string& settings, const FakeCall& call) {
  TestHost host;
  PluginUnderTest plugin(host, Linked<Mtls, MtlsSettings>(), settings);
  REQUIRE_MESSAGE(plugin.created().ok(), plugin.created().message());
  return plugin.Authenticate(call).Wait();
}

std::string SubjectOf(const AuthAnswer& answer) {
  return answer.get<Identity>() ? answer.get<Identity>()->subject : answer.status().message();
}

// A certificate with this common name that ends at this time, in DER.
std::string DerOf(std::string_view common_name, std::time_t end) {
  X509* const certificate = X509_new();
  EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  X509_set_pubkey(certificate, key);
  ASN1_TIME_set(X509_getm_notBefore(certificate), 0);
  ASN1_TIME_set(X509_getm_notAfter(certificate), end);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
  X509_sign(certificate, key, nullptr);
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  EVP_PKEY_free(key);
  X509_free(certificate);
  return text;
}

}  // namespace

TEST_CASE("a connection without a certificate is left to the next step") { CHECK(Ask("{}", AnyCall()).is_next()); }

TEST_CASE("the name is the first that the certificate has, in the order of the settings") {
  const FakeCall call = AnyCall().Certificate("CN=etl,O=Acme", {"etl.acme.com"}, {"spiffe://acme.com/ns/etl/sa/a"});
  CHECK(SubjectOf(Ask("{}", call)) == "spiffe://acme.com/ns/etl/sa/a");
  CHECK(SubjectOf(Ask(R"({"subject":["dns","uri"]})", call)) == "etl.acme.com");
  CHECK(SubjectOf(Ask(R"({"subject":["distinguished_name"]})", call)) == "CN=etl,O=Acme");
  CHECK(SubjectOf(Ask("{}", AnyCall().Certificate("CN=x", {}, {}, DerOf("worker 7", 2'000'000'000)))) == "worker 7");
}

TEST_CASE("an identity ends with its certificate") {
  const AuthAnswer answer = Ask("{}", AnyCall().Certificate("", {"a.acme.com"}, {}, DerOf("a", 1'900'000'000)));
  REQUIRE(answer.get<Identity>());
  CHECK(answer.get<Identity>()->expiry == WallTime(std::chrono::seconds(1'900'000'000)));
  // RFC 5280 has the end of the year 9999 for a certificate without one, more than the clock can count.
  const AuthAnswer endless = Ask("{}", AnyCall().Certificate("", {"a.acme.com"}, {}, DerOf("a", 253'402'300'799)));
  REQUIRE(endless.get<Identity>());
  CHECK(endless.get<Identity>()->expiry > WallTime(std::chrono::seconds(7'000'000'000)));
}

TEST_CASE("groups go by the name") {
  const AuthAnswer answer =
      Ask(R"({"groups":{"etl":["spiffe://acme.com/ns/etl/*"],"all":["*"],"ml":["spiffe://acme.com/ns/ml/*"]}})",
          AnyCall().Certificate("", {}, {"spiffe://acme.com/ns/etl/sa/a"}));
  REQUIRE(answer.get<Identity>());
  CHECK(answer.get<Identity>()->groups == std::vector<std::string>{"etl", "all"});
}

TEST_CASE("a good certificate with a name that is not known is refused, not passed on") {
  const std::string settings = R"({"allow":["spiffe://acme.com/*"]})";
  CHECK(Ask(settings, AnyCall().Certificate("", {}, {"spiffe://acme.com/x"})).get<Identity>());
  for (const char* uri : {"spiffe://acme.com.evil/x", "spiffe://evil/spiffe://acme.com/", "SPIFFE://acme.com/x", ""}) {
    CHECK(Ask(settings, AnyCall().Certificate("", {}, {uri})).status().code() == StatusCode::kPermissionDenied);
  }
  // Another name of the same certificate is one that it has been given.
  CHECK(SubjectOf(Ask(settings, AnyCall().Certificate("", {}, {"spiffe://other/x", "spiffe://acme.com/y"}))) ==
        "spiffe://acme.com/y");
}

TEST_CASE("names with control characters are no names") {
  for (const std::string& name : {std::string("a\0b", 3), std::string("a\nb"), std::string(257, 'a')}) {
    CHECK(Ask("{}", AnyCall().Certificate("", {name})).status().code() == StatusCode::kPermissionDenied);
  }
}

TEST_CASE("a name is of its place: none passes for a SPIFFE ID that is not in its URI") {
  const std::string fake = "spiffe://acme.com/ns/etl/admin";
  const std::string der = DerOf(fake, 2'000'000'000);
  CHECK(Ask("{}", AnyCall().Certificate("CN=" + fake, {}, {}, der)).status().code() == StatusCode::kPermissionDenied);
  CHECK(SubjectOf(Ask("{}", AnyCall().Certificate("CN=" + fake, {fake, "etl.acme.com"}, {}, der))) == "etl.acme.com");
  for (const char* place : {"dns", "common_name", "distinguished_name"}) {
    CAPTURE(place);
    CHECK(Ask(R"({"subject":[")" + std::string(place) + R"("]})", AnyCall().Certificate(fake, {fake}, {}, der))
              .status()
              .code() == StatusCode::kPermissionDenied);
  }
  CHECK(SubjectOf(Ask("{}", AnyCall().Certificate("", {"b.acme.com"}, {"a.acme.com"}))) == "b.acme.com");
  CHECK(SubjectOf(Ask("{}", AnyCall().Certificate("", {"urn:acme:a"}, {"urn:acme:b"}))) == "urn:acme:b");
}

TEST_CASE("a distinguished name with a line break is no name") {
  CHECK(Ask(R"({"subject":["distinguished_name"]})", AnyCall().Certificate("CN=a\nb")).status().code() ==
        StatusCode::kPermissionDenied);
}

TEST_CASE("a common name with a NUL inside is no name") {
  const std::string der = DerOf(std::string_view("alice\0.evil", 11), 2'000'000'000);
  CHECK(Ask("{}", AnyCall().Certificate("", {}, {}, der)).status().code() == StatusCode::kPermissionDenied);
}

TEST_CASE("a certificate that cannot be read has no common name") {
  CHECK(Ask("{}", AnyCall().Certificate("CN=x", {}, {}, "no DER")).status().code() == StatusCode::kPermissionDenied);
}

TEST_CASE("a service may act for people") {
  const AuthAnswer answer = Ask(R"({"delegation":[{"services":["play.acme.com"],"groups":["playground"]}]})",
                                AnyCall().Certificate("", {"play.acme.com"}).Header("x-spark-act-for", "alice"));
  REQUIRE(answer.get<Identity>());
  CHECK(answer.get<Identity>()->subject == "alice");
  CHECK(answer.get<Identity>()->actor == "play.acme.com");
}

TEST_CASE("a place that no certificate has is refused at the start") {
  TestHost host;
  const PluginUnderTest plugin(host, Linked<Mtls, MtlsSettings>(), R"({"subject":["email"]})");
  CHECK(plugin.created().message().find("'email'") != std::string::npos);
}
