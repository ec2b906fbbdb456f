// What a gateway finds of an earlier one's sessions when it starts: the journal, and the binding in each of its
// entries.
#include "core/session/journal.h"

#include <sgw/testing/temp_dir.h>

#include <filesystem>
#include <fstream>

#include "core/session/binding.h"
#include "tests/fuzz/input.h"

namespace sgw::core {
namespace {

using fuzz::Require;
using Found = std::map<std::string, JournalValue>;

const WallTime kNow{std::chrono::hours(500'000)};

// What the file says; none: it is no journal.
std::optional<Found> Read(const std::string& path) {
  static MetricsRegistry* const metrics = new MetricsRegistry();
  Found found;
  const auto journal = Journal::Open(
      path, *metrics, kNow, [](const Journal::Sink&) {}, found);
  if (journal) return found;
  Require(journal.status().code() == StatusCode::kFailedPrecondition && !journal.status().message().empty(),
          "what is no journal is called so");
  return std::nullopt;
}

void CheckBinding(const std::string& text) {
  const auto read = ReadBinding(text);
  if (!read) return;
  if (const auto* binding = std::get_if<Binding>(&*read)) {
    Require(!binding->session_id.empty() && !binding->address.empty(), "a binding leads from a session to a server");
    const auto again = ReadBinding(TextOf(*binding));
    Require(again && std::holds_alternative<Binding>(*again) && std::get<Binding>(*again) == *binding,
            "a binding that is written is read as the same one");
    return;
  }
  const Tombstone& ended = std::get<Tombstone>(*read);
  Require(!ended.refusal.ok(), "who asks for a session that has ended hears so");
  const auto again = ReadBinding(TextOf(ended));
  Require(again && std::holds_alternative<Tombstone>(*again) && std::get<Tombstone>(*again) == ended,
          "and hears the same of what is written");
}

void Check(std::string_view text) {
  static const testing::TempDir folder(std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp");
  const std::string path = folder.path() + "/journal";
  {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
  }
  const auto found = Read(path);
  if (!found) return;
  // The file has been written anew meanwhile.
  const auto again = Read(path);
  Require(again && again->size() == found->size(), "what was found is there the next time");
  for (const auto& [key, value] : *found) {
    Require(value.until > kNow, "what is over is not found");
    const auto at = again->find(key);
    Require(at != again->end() && at->second.text == value.text, "it is the same the next time");
    CheckBinding(value.text);
  }
  // So that much of what is made up is a binding, too.
  CheckBinding(std::string(text));
}

}  // namespace
}  // namespace sgw::core

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sgw::core::Check(sgw::fuzz::Input(data, size).Rest());
  return 0;
}
