#include <sgw/wall_time.h>

#include "tests/core/http2/pair.h"
#include "tests/core/http2/tls_client.h"

using namespace sgw::core;
using namespace sgw::core::testing;
using sgw::StatusCode;
using sgw::testing::Authority;
using sgw::testing::TempDir;

namespace {

void AnswerOk(Recorder& recorder) {
  Recorder* self = &recorder;
  recorder.on_headers = [self] { self->stream->SendHeaders({{":status", "200"}, {"grpc-status", "0"}}, true); };
}

// Wants certificates of `authority`.
struct AskingServer {
  explicit AskingServer(bool is_required = true, const std::string& crl = "") {
    folder.With(authority.Issue());
    settings = {folder.Trusting(authority.certificate(), crl), is_required};
    source = SourceOf(settings);
    ConnectionOptions options;
    options.on_incident = [this](const char* reason) { incidents.emplace_back(reason); };
    pair.emplace(AnswerOk, options, ConnectionOptions(), "127.0.0.1:0", source);
  }
  void ReadAgain() {
    auto context = TlsContext::ForListener(settings);
    REQUIRE_MESSAGE(context, context.status().message());
    source->Replace(*context);
  }
  // Whether a connection comes to be: with TLS 1.3 a client knows only when it has heard something.
  bool LetsIn(const TlsFiles& client) {
    TlsClient connection(RawConnect(pair->address), "\2h2", 0, client);
    return connection.is_connected() && connection.Write(std::string(kPreface) + FrameOf(FrameType::kSettings, 0, 0)) &&
           connection.ReadUntil(FrameOf(FrameType::kSettings, kAck, 0), 10'000);
  }
  // Looks on the worker, again and again.
  bool Sees(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < until) {
      if (RunOn(pair->worker(), condition)) return true;
    }
    return false;
  }
  std::vector<std::string> Incidents() {
    return RunOn(pair->worker(), [this] { return incidents; });
  }

  Authority authority;
  TlsFolder folder;
  ListenerTls settings;
  std::shared_ptr<TlsSource> source;
  std::vector<std::string> incidents;  // on the worker
  std::optional<Pair> pair;
};

StatusCode CodeOf(const ListenerTls& settings) { return TlsContext::ForListener(settings).status().code(); }

}  // namespace

TEST_CASE("a listener that requires certificates lets in those of its authorities and nobody else") {
  AskingServer server;
  Authority other;
  TlsFolder good, strange, old, early;
  CHECK(server.LetsIn(good.With(server.authority.Issue())));
  CHECK_FALSE(server.LetsIn({}));
  CHECK_FALSE(server.LetsIn(strange.With(other.Issue())));
  CHECK_FALSE(server.LetsIn(old.With(server.authority.Issue({.begins = -7200, .ends = -60}))));
  CHECK_FALSE(server.LetsIn(early.With(server.authority.Issue({.begins = 1800}))));
  CHECK(server.Incidents() == std::vector<std::string>(4, "client_certificate"));
}

TEST_CASE("a certificate that ends when the clock can count no more ends far away") {
  Authority authority;
  TlsFolder folder;
  const auto context = TlsContext::ForListener({folder.With(authority.Issue({.ends = 250L * 365 * 86'400}))});
  REQUIRE(context);
  CHECK((*context)->not_after() == sgw::WallTimeAt(7'300'000'000));
}

TEST_CASE("where a certificate is optional none is needed, and a bad one is refused all the same") {
  AskingServer server(false);
  TlsFolder good, strange;
  CHECK(server.LetsIn({}));
  CHECK(server.LetsIn(good.With(server.authority.Issue())));
  CHECK_FALSE(server.LetsIn(strange.With(Authority().Issue())));
  CHECK(server.Incidents() == std::vector<std::string>{"client_certificate"});
}

TEST_CASE("a verified peer is known by its subject and its names") {
  AskingServer server(false);
  TlsFolder client;
  for (const bool has_certificate : {true, false}) {
    CAPTURE(has_certificate);
    TlsFiles own;
    if (has_certificate) {
      own = client.With(server.authority.Issue(
          {.common_name = "etl", .names = "URI:spiffe://acme.com/etl,DNS:etl.acme.com,IP:10.0.0.1"}));
    }
    const TlsClient connected(RawConnect(server.pair->address), "\2h2", 0, own);
    std::shared_ptr<const TlsPeer> peer;
    REQUIRE(server.Sees([&] {
      const auto connection = server.pair->servers.empty() ? nullptr : server.pair->servers.back().lock();
      peer = connection ? connection->tls_peer() : nullptr;
      return peer != nullptr;
    }));
    RunOn(server.pair->worker(), [&] { server.pair->servers.clear(); });
    CHECK(peer->verified == has_certificate);
    if (!has_certificate) continue;
    CHECK(peer->subject == "CN=etl");
    CHECK(peer->uris == std::vector<std::string>{"spiffe://acme.com/etl"});
    CHECK(peer->dns_names == std::vector<std::string>{"etl.acme.com"});
  }
}

TEST_CASE("a revoked certificate is refused, and no certificate passes without a list of its authority") {
  AskingServer server;
  TlsFolder revoked, good;
  const auto bad = server.authority.Issue();
  server.folder.Trusting(server.authority.certificate(), server.authority.Revoke({bad.serial}));
  server.settings.files = server.folder.files;
  server.ReadAgain();
  CHECK_FALSE(server.LetsIn(revoked.With(bad)));
  CHECK(server.LetsIn(good.With(server.authority.Issue())));

  server.folder.Trusting(server.authority.certificate(), Authority("other").Revoke({}));
  server.ReadAgain();
  CHECK_FALSE(server.LetsIn(good.files));
}

TEST_CASE("an open connection is verified again when the authorities or the list have changed") {
  for (const bool is_revoked : {true, false}) {
    CAPTURE(is_revoked);
    AskingServer server;
    TlsFolder client;
    const auto issued = server.authority.Issue();
    TlsTunnel tunnel(server.pair->address, 0, client.With(issued));
    server.pair->address = tunnel.address;
    REQUIRE(server.pair->Connect().ok());
    const auto status = [&] {
      Recorder call;
      server.pair->Open(call, true);
      REQUIRE(call.WaitFor([&] { return call.is_closed; }));
      return RunOn(server.pair->worker(), [&] {
        const auto connection = server.pair->servers[0].lock();
        return connection ? connection->peer_status() : sgw::Internal("the connection has gone");
      });
    };
    CHECK(status().ok());
    server.ReadAgain();  // the same
    CHECK(status().ok());
    if (is_revoked) {
      server.folder.Trusting(server.authority.certificate(), server.authority.Revoke({issued.serial}));
    } else {
      server.folder.Trusting(Authority("other").certificate());
    }
    server.settings.files = server.folder.files;
    server.ReadAgain();
    Recorder last;
    std::optional<sgw::Status> seen;
    server.pair->on_stream = [&](ServerConnection& connection) { seen = connection.peer_status(); };
    server.pair->Open(last, true);
    REQUIRE(last.WaitFor([&] { return last.is_closed; }));
    // The call is for the listener's owner to refuse; the connection takes no further ones.
    RunOn(server.pair->worker(), [&] {
      REQUIRE(seen);
      CHECK(seen->code() == StatusCode::kUnauthenticated);
      CHECK(seen->message() == (is_revoked ? "certificate revoked" : "unable to get local issuer certificate"));
    });
    CHECK(last.headers.Get("grpc-status") == "0");
    CHECK(server.Sees([&] { return server.pair->client_closed.load(); }));
  }
}

TEST_CASE("nothing resumes a session whose certificate was verified") {
  AskingServer server;
  TlsFolder client;
  client.With(server.authority.Issue());
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    TlsClient first(RawConnect(server.pair->address), "\2h2", version, client.files);
    REQUIRE(first.Write(std::string(kPreface) + FrameOf(FrameType::kSettings, 0, 0)));
    REQUIRE(first.ReadUntil(FrameOf(FrameType::kSettings, kAck, 0), 10'000));
    CHECK(SSL_SESSION_has_ticket(SSL_get0_session(first.ssl())) == 0);
  }
}

TEST_CASE("files that cannot be used are named, and a key that does not fit is told from them") {
  TempDir folder;
  Authority authority;
  const auto own = authority.Issue();
  ListenerTls good;
  good.files.certificate = folder.Write("tls.crt", own.certificate);
  good.files.key = folder.Write("tls.key", own.key);
  good.files.ca = folder.Write("ca.crt", authority.certificate());
  good.files.crl = folder.Write("ca.crl", authority.Revoke({}));
  CHECK(CodeOf(good) == StatusCode::kOk);

  ListenerTls other_key = good;
  other_key.files.key = folder.Write("other.key", authority.Issue().key);
  CHECK(CodeOf(other_key) == StatusCode::kAborted);

  const std::string half = own.certificate.substr(0, own.certificate.size() / 2);
  for (std::string TlsFiles::*which : {&TlsFiles::certificate, &TlsFiles::key, &TlsFiles::ca, &TlsFiles::crl}) {
    for (const std::string& content : {std::string(), half, std::string("text\n"), own.certificate + half}) {
      ListenerTls bad = good;
      bad.files.*which = folder.Write("bad.pem", content);
      const sgw::Status status = TlsContext::ForListener(bad).status();
      CHECK(status.code() == StatusCode::kFailedPrecondition);
      CHECK(status.message().find("/bad.pem: ") != std::string::npos);
    }
    ListenerTls missing = good;
    missing.files.*which = folder.path() + "/none.pem";
    CHECK(TlsContext::ForListener(missing).status().message().find("none.pem: No such file") != std::string::npos);
    missing.files.*which = "/";
    CHECK(TlsContext::ForListener(missing).status().message().find(" /: it is a folder") != std::string::npos);
  }
}

TEST_CASE("a key with a passphrase is refused and not asked for") {
  TempDir folder;
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  BIO* const out = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_128_cbc(), "secret", 6, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  ListenerTls settings;
  settings.files.certificate = folder.Write("tls.crt", Authority().Issue().certificate);
  settings.files.key = folder.Write("tls.key", std::string(text, static_cast<std::size_t>(size)));
  BIO_free(out);
  EVP_PKEY_free(key);
  CHECK(CodeOf(settings) == StatusCode::kFailedPrecondition);
}

TEST_CASE("a listener can ask for TLS 1.3") {
  TlsFolder folder;
  Pair pair(AnswerOk, {}, {}, "127.0.0.1:0", SourceOf({folder.With(Authority().Issue()), true, true}));
  CHECK_FALSE(TlsClient(RawConnect(pair.address), "\2h2", TLS1_2_VERSION).is_connected());
  CHECK(TlsClient(RawConnect(pair.address), "\2h2", TLS1_3_VERSION).is_connected());
}

TEST_CASE("ciphers without ephemeral keys or authentication are not spoken") {
  const auto source = OwnCertificate();
  Pair pair(AnswerOk, {}, {}, "127.0.0.1:0", source);
  for (const char* ciphers :
       {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "DHE-RSA-AES128-GCM-SHA256"}) {
    CAPTURE(ciphers);
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    REQUIRE(SSL_CTX_set_cipher_list(context, ciphers) == 1);
    SSL* const ssl = SSL_new(context);
    const int fd = RawConnect(pair.address);
    SSL_set_fd(ssl, fd);
    CHECK(SSL_connect(ssl) != 1);
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
  }
}
