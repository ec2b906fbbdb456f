#include <sgw/json.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <set>

#include "core/admin/admin_client.h"
#include "core/app/table.h"
#include "core/app/usage.h"
#include "core/config/address.h"
#include "core/config/load.h"

namespace sgw::core {
namespace {

std::string Ago(std::chrono::milliseconds span) {
  const auto ms = span.count();
  if (ms < 10'000) return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + "s";
  if (ms < 600'000) return std::to_string(ms / 1000) + "s";
  return ms < 36'000'000 ? std::to_string(ms / 60'000) + "m" : std::to_string(ms / 3'600'000) + "h";
}

using Table = std::vector<Row>;

Result<Table> Plugins(AdminClient& client) {
  const auto plugins = client.ListPlugins();
  if (!plugins) return plugins.status();
  Table rows = {{"INSTANCE", "KIND", "PLUGIN", "ABI", "STATE", "FILE"}};
  for (const PluginView& p : *plugins) rows.push_back({p.instance, p.kind, p.name, p.abi, p.state, p.file});
  return rows;
}

Result<Table> Sessions(AdminClient& client) {
  const auto sessions = client.ListSessions();
  if (!sessions) return sessions.status();
  Table rows = {
      {"SESSION", "REALM", "SUBJECT", "NAMESPACE", "SERVER", "STATE", "AGE", "IDLE", "STREAMS", "OPERATIONS"}};
  for (const SessionView& s : *sessions) {
    rows.push_back({s.session_id, s.realm, s.subject, s.namespace_, s.endpoint, s.state, Ago(s.age), Ago(s.idle),
                    std::to_string(s.open_streams), std::to_string(s.operations)});
  }
  return rows;
}

// What tells a pool from others of its namespace: the class and the attributes of its servers.
std::string KindOfServers(const Json& pool) {
  std::string kind = pool.String("/class");
  for (const std::string& attribute : pool.Strings("/attributes")) kind += (kind.empty() ? "" : " ") + attribute;
  return kind;
}

// How far the first of its starts is.
std::string PhaseOf(const Json& pool) {
  const Json* const servers = pool.At("/servers");
  if (!servers) return "";
  for (const Json& server : servers->elements()) {
    if (std::string phase = server.String("/phase"); !phase.empty()) return phase;
  }
  return "";
}

Result<Table> Pools(AdminClient& client) {
  const auto described = client.ListPools();
  if (!described) return described.status();
  Table rows = {{"INSTANCE", "NAMESPACE", "ATTRIBUTES", "WARM", "LEASED", "STARTING", "TARGET", "WAITING", "FAILURES",
                 "PHASE", "LAST ERROR"}};
  for (const DescribedView& one : *described) {
    const auto json = Json::Parse(one.json);
    const Json* pools = json ? json->At("/pools") : nullptr;
    if (!pools) continue;
    for (const Json& pool : pools->elements()) {
      Row row = {one.instance, pool.String("/namespace"), KindOfServers(pool)};
      for (const char* count : {"/warm", "/leased", "/starting", "/target", "/waiting", "/failures"})
        row.push_back(std::to_string(pool.Integer(count)));
      row.push_back(PhaseOf(pool));
      row.push_back(pool.String("/last_error"));
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

// Those that a discovery knows, used or not, and then those that have another source, such as a pool.
Result<Table> Endpoints(AdminClient& client) {
  const auto known_now = client.ListEndpoints();
  if (!known_now) return known_now.status();
  Table rows = {{"ADDRESS", "NAMESPACE", "SOURCE", "STATE", "CONNECTIONS", "STREAMS", "FAILURES", "LAST ERROR"}};
  using Key = std::pair<std::string, std::string>;  // address, incarnation
  std::map<Key, const EndpointView*> used;
  for (const EndpointView& e : known_now->endpoints) used.emplace(Key(e.address, e.incarnation), &e);
  std::set<Key> known;
  const auto add = [&](const Key& key, const std::string& name_space, const std::string& source) {
    known.insert(key);
    const auto found = used.find(key);
    EndpointView e;
    e.state = "unused";
    if (found != used.end()) e = *found->second;
    rows.push_back({key.first, name_space, source, e.state, std::to_string(e.connections), std::to_string(e.streams),
                    std::to_string(e.failures), e.last_error});
  };
  for (const DescribedView& described : known_now->discoveries) {
    const auto json = Json::Parse(described.json);
    const Json* namespaces = json ? json->At("/namespaces") : nullptr;
    if (!namespaces) continue;
    for (const Json& one : namespaces->elements()) {
      const Json* endpoints = one.At("/endpoints");
      if (!endpoints) continue;
      for (const Json& endpoint : endpoints->elements())
        add({endpoint.String("/address"), endpoint.String("/incarnation")}, one.String("/namespace"),
            described.instance);
    }
  }
  for (const auto& [key, e] : used) {
    if (known.count(key) == 0) add(key, "", "");
  }
  return rows;
}

// A list that a running gateway has: for programs, and for people.
struct Listing {
  const char* what;
  AdminClient::List list;
  Result<Table> (*table)(AdminClient& client);
};

const std::map<std::string, Listing>& Listings() {
  static const std::map<std::string, Listing> kListings = {
      {"plugins", {"lists the plugins of a running gateway", AdminClient::List::kPlugins, Plugins}},
      {"sessions",
       {"lists the sessions of a running gateway, newest first, or ends one", AdminClient::List::kSessions, Sessions}},
      {"pools", {"lists the pools of warm servers of a running gateway", AdminClient::List::kPools, Pools}},
      {"endpoints", {"lists the servers that a running gateway knows", AdminClient::List::kEndpoints, Endpoints}}};
  return kListings;
}

int Failed(const Status& status, const std::string& address) {
  if (status.code() == StatusCode::kUnavailable) {
    std::cerr
        << "spark-gateway: no gateway answers at " << address << " (" << status.message()
        << ").\nIs one running, as this user? Name its address with --admin, or its configuration with --config.\n";
  } else {
    std::cerr << "spark-gateway: " << status.message() << "\n";
  }
  return 1;
}

Status Print(const Result<std::string>& text) {
  if (text) std::cout << *text;
  return text ? Status() : text.status();
}

// Prints the answer.
Status Show(AdminClient& client, const std::string& command, bool wants_json) {
  if (command == "config") return Print(client.EffectiveConfig(wants_json));
  if (wants_json) return Print(client.Json(Listings().at(command).list));
  const auto table = Listings().at(command).table(client);
  if (table) PrintTable(*table);
  return table ? Status() : table.status();
}

// Where a gateway that nobody described listens. None: the configuration has errors, and they are said.
std::optional<std::string> AddressFor(const Usage& usage) {
  if (usage.Has("admin")) return usage.Text("admin");
  std::error_code ignored;
  const bool has_default = std::filesystem::exists(kDefaultConfig, ignored);
  if (!usage.Has("config") && !has_default) {
    // `serve --to` leaves its socket where it was started.
    const std::string usual = AdminConfig().address;
    const bool is_beside =
        !std::filesystem::exists(usual.substr(5), ignored) && std::filesystem::exists(kLocalSocket, ignored);
    return is_beside ? std::string("unix:") + kLocalSocket : usual;
  }
  const std::string file = usage.Has("config") ? usage.Text("config") : kDefaultConfig;
  Complaints complaints(file);
  auto address = ReadAdminAddress(file, complaints);
  std::cerr << complaints.Text();
  return address;
}

}  // namespace

int AskAdmin(const std::string& command, const Words& words) {
  const auto listing = Listings().find(command);
  const char* const what = listing == Listings().end()
                               ? "prints a running gateway's configuration, defaults filled in and secrets masked"
                               : listing->second.what;
  const bool is_sessions = command == "sessions";
  Usage usage(command + (is_sessions ? " [end ID]" : ""), what);
  namespace po = boost::program_options;
  usage.Options()("json", "print JSON")("admin", po::value<std::string>(), "the admin API's address")(
      "config,c", po::value<std::string>(), "the gateway's configuration, which has that address");
  if (is_sessions) {
    usage.Options()("subject", po::value<std::string>(), "for `end`: whose, where several users have one of that id")(
        "realm", po::value<std::string>(), "for `end`: of which auth step, where several know such a user");
    usage.TakesWords(2);
    usage.SetNotes(
        "`sessions end ID` ends the session of that id as its idle time would: its client hears that it is closed, "
        "and\n"
        "running operations end. Several users may have a session of one id: --subject and --realm say whose is "
        "meant.\n");
  }
  if (const auto code = usage.Read(words)) return *code;
  const Words rest = usage.words();
  if (!rest.empty() && (rest.size() != 2 || rest[0] != "end")) return usage.Wrong("write `sessions end ID`");
  if (std::string problem; usage.Has("admin") && !ParseAddress(usage.Text("admin"), problem)) {
    return usage.Wrong("--admin must be host:port or unix:/path (" + problem + "), not '" + usage.Text("admin") + "'");
  }
  const auto address = AddressFor(usage);
  if (!address) return 2;
  AdminClient client(*address);
  const bool wants_json = usage.Has("json");
  const Status status = rest.empty() ? Show(client, command, wants_json)
                                     : client.EndSession({rest[1], usage.Text("subject"), usage.Text("realm")});
  if (!status.ok()) return Failed(status, *address);
  if (!rest.empty()) std::cout << (wants_json ? "{}" : "ended " + rest[1]) << "\n";
  return 0;
}

}  // namespace sgw::core
