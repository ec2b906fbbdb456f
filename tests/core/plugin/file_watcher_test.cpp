#include "core/plugin/file_watcher.h"

#include <filesystem>
#include <fstream>

#include "tests/core/plugin/plugin_rig.h"

using namespace sgw::core;
using namespace sgw::core::testing;
namespace fs = std::filesystem;

namespace {

// A watcher, its folder, and how often it told of each path.
struct Watching {
  std::uint64_t Watch(const std::string& path) {
    const std::uint64_t id = ++last;
    watcher.Watch(id, path);
    return id;
  }
  int told(std::uint64_t id) {
    const std::lock_guard lock(mutex);
    return counts[id];
  }
  bool Hears(std::uint64_t id, int times = 1) {
    return Eventually([&] { return told(id) >= times; });
  }
  std::string operator/(const std::string& name) const { return folder.path() + "/" + name; }

  TempDir folder;
  std::mutex mutex;  // Guards counts.
  std::map<std::uint64_t, int> counts;
  std::uint64_t last = 0;
  FileWatcher watcher{[this](std::uint64_t id) {
    const std::lock_guard lock(mutex);
    ++counts[id];
  }};
};

}  // namespace

TEST_CASE("a watcher tells of whatever makes a path lead to something else") {
  Watching w;
  const std::string path = w.folder.Write("file", "one");
  fs::create_directory(w / "other");
  SUBCASE("written") {
    const auto id = w.Watch(path);
    w.folder.Write("file", "two");
    CHECK(w.Hears(id));
  }
  SUBCASE("renamed over") {
    const auto id = w.Watch(path);
    fs::rename(w.folder.Write("new", "two"), path);
    CHECK(w.Hears(id));
    w.folder.Write("file", "three");  // the new one is listened to
    CHECK(w.Hears(id, 2));
  }
  SUBCASE("removed, and made again") {
    const auto id = w.Watch(path);
    fs::remove(path);
    CHECK(w.Hears(id));
    w.folder.Write("file", "two");
    CHECK(w.Hears(id, 2));
  }
  SUBCASE("made, folder and all") {
    const auto id = w.Watch(w / "a/b/file");
    fs::create_directories(w / "a/b");
    w.folder.Write("a/b/file", "one");
    CHECK(w.Hears(id));
  }
  SUBCASE("its folder is replaced") {
    fs::create_directory(w / "a");
    w.folder.Write("a/file", "one");
    w.folder.Write("other/file", "two");
    const auto id = w.Watch(w / "a/file");
    fs::rename(w / "a", w / "old");
    fs::rename(w / "other", w / "a");
    CHECK(w.Hears(id));
  }
  SUBCASE("a symlink in the middle is swapped, as Kubernetes does with a mounted map") {
    for (const char* version : {"..v1", "..v2"}) {
      fs::create_directory(w / version);
      w.folder.Write(std::string(version) + "/file", version);
    }
    fs::remove(path);
    fs::create_symlink("..v1", w / "..data");
    fs::create_symlink("..data/file", path);
    const auto id = w.Watch(path);
    fs::create_symlink("..v2", w / "..data_tmp");
    fs::rename(w / "..data_tmp", w / "..data");
    fs::remove_all(w / "..v1");
    CHECK(w.Hears(id));
    w.folder.Write("..v2/file", "three");  // the way through the new link is listened to
    CHECK(w.Hears(id, 2));
  }
}

TEST_CASE("what happens right after Watch has returned is told, even when a clock's tick cannot tell it apart") {
  Watching w;
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 100; ++i) {
    const std::string name = "file" + std::to_string(i);
    ids.push_back(w.Watch(w.folder.Write(name, "one")));
    w.folder.Write(name, "two");
  }
  for (const std::uint64_t id : ids) CHECK(w.Hears(id));
}

TEST_CASE("many writes in a row are told when things are quiet, not one by one") {
  Watching w;
  const auto id = w.Watch(w.folder.Write("file", ""));
  const auto marker = w.Watch(w / "marker");
  for (int i = 0; i < 200; ++i) w.folder.Write("file", std::to_string(i));
  w.folder.Write("marker", "");
  CHECK(w.Hears(marker));
  CHECK(w.Hears(id));
  CHECK(w.told(id) < 20);
}

TEST_CASE("a path that is not watched any more, and a neighbour of a watched one, are not told of") {
  Watching w;
  const auto unwatched = w.Watch(w.folder.Write("unwatched", ""));
  const auto quiet = w.Watch(w.folder.Write("quiet", ""));
  const auto marker = w.Watch(w / "marker");
  w.watcher.Unwatch(unwatched);
  w.folder.Write("unwatched", "two");
  w.folder.Write("neighbour", "two");
  w.folder.Write("marker", "");
  CHECK(w.Hears(marker));
  CHECK(w.told(unwatched) == 0);
  CHECK(w.told(quiet) == 0);
}

TEST_CASE("symlinks that lead in a circle are no way, and do no harm") {
  Watching w;
  fs::create_symlink("b", w / "a");
  fs::create_symlink("a", w / "b");
  const auto id = w.Watch(w / "a");
  fs::remove(w / "b");
  w.folder.Write("b", "");
  CHECK(w.Hears(id));
}
