#include <elf.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <fstream>

#include "core/plugin/host.h"
#include "tests/core/plugin/plugin_rig.h"

using namespace sgw;
using namespace sgw::core;
using namespace sgw::core::testing;
using sgw::testing::FixtureWithRawTag;
using sgw::testing::Renamed;

namespace {

// Serves the bytes and checks what the operator reads; "FILE" stands for the plugin's path.
void CheckRefusal(const std::string& bytes, std::string wanted) {
  PluginRig rig;
  const Status status = rig.Serve(bytes);
  for (auto at = wanted.find("FILE"); at != std::string::npos; at = wanted.find("FILE")) {
    wanted.replace(at, 4, rig.file);
  }
  CHECK(status.message() == wanted);
}

const std::string kInspect = "gateway.yaml:14:3: plugins.it: FILE: inspect: ";
const std::string kSpoken = "1.0 to 1." + std::to_string(SGW_ABI_MINOR);

// How a child process that serves the fixture ends, and what it says meanwhile.
struct Ended {
  int code = -1;  // -1: by a signal
  int signal = 0;
  std::string said;
};
Ended ServeInChild(
    const FixtureTag& tag, const std::function<void(Hook&)>& prepare = [](Hook&) {}) {
  const TempDir folder;
  int pipe_ends[2];
  REQUIRE(pipe(pipe_ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(pipe_ends[1], STDERR_FILENO);
    for (const int fatal : {SIGSEGV, SIGABRT}) signal(fatal, SIG_DFL);
    CrashMarker::Install();
    PluginRig rig(folder.path());
    prepare(rig.hook);
    static_cast<void>(rig.Serve(FixtureBytes(tag)));
    _exit(0);
  }
  close(pipe_ends[1]);
  Ended ended;
  char bytes[4096];
  for (ssize_t size; (size = read(pipe_ends[0], bytes, sizeof(bytes))) > 0;) {
    ended.said.append(bytes, static_cast<std::size_t>(size));
  }
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  ended.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return ended;
}

// Ends by the stack's end.
int FillTheStack(volatile char* above) {
  volatile char here[4096];
  here[0] = *above;
  return here[0] != 0 ? 0 : FillTheStack(here) + here[1];
}

}  // namespace

TEST_CASE("a good plugin serves") {
  PluginRig rig;
  const Status status = rig.Serve();
  CHECK_MESSAGE(status.ok(), status.message());
  CHECK(rig.instance().state() == Instance::State::kServing);
}

TEST_CASE("a file that is no shared library for this machine is refused before any of its code runs") {
  std::string bytes = FixtureBytes();
  auto& header = *reinterpret_cast<Elf64_Ehdr*>(bytes.data());
  SUBCASE("no ELF file") {
    CheckRefusal("#!/bin/sh\n",
                 kInspect + "this is not a shared library (no ELF header). Give the path of a .so file.\n");
  }
  SUBCASE("an empty one") {
    CheckRefusal("", kInspect + "this is not a shared library (no ELF header). Give the path of a .so file.\n");
  }
  SUBCASE("of another machine") {
    const bool is_arm = header.e_machine == EM_AARCH64;
    header.e_machine = is_arm ? EM_X86_64 : EM_AARCH64;
    const std::string mine = is_arm ? "aarch64" : "x86-64";
    const std::string its = is_arm ? "x86-64" : "aarch64";
    CheckRefusal(bytes,
                 kInspect + "built for " + its + ", this gateway runs on " + mine + ". Build it for this machine.\n");
  }
  SUBCASE("of another width") {
    header.e_ident[EI_CLASS] = ELFCLASS32;
    const std::string machine = header.e_machine == EM_AARCH64 ? "aarch64" : "x86-64";
    CheckRefusal(bytes, kInspect + "built for " + machine + " in 32 bits, this gateway runs on " + machine +
                            " in 64 bits. Build it for this machine.\n");
  }
  SUBCASE("a program") {
    header.e_type = ET_EXEC;
    CheckRefusal(bytes, kInspect +
                            "this is a program or an object file, not a shared library. Build it with "
                            "sgw_add_plugin().\n");
  }
  SUBCASE("half of one") {
    CheckRefusal(bytes.substr(0, bytes.size() / 2),
                 kInspect + "the file is damaged or cut short. Build or copy it again.\n");
  }
}

TEST_CASE("no cut and no flipped byte of a plugin's headers brings the inspector down") {
  const std::string good = FixtureBytes();
  std::string bytes = good;
  for (std::size_t size = 0; size < 2048; ++size) CHECK_FALSE(Inspect(good.substr(0, size)));
  const auto header = *reinterpret_cast<const Elf64_Ehdr*>(good.data());
  for (const std::size_t start : {std::size_t{0}, static_cast<std::size_t>(header.e_shoff)}) {
    for (std::size_t at = start; at < std::min(start + 2048, good.size()); ++at) {
      bytes[at] = static_cast<char>(~good[at]);
      static_cast<void>(Inspect(bytes));
      bytes[at] = good[at];
    }
  }
}

TEST_CASE("a path that leads to no file is refused with its place") {
  PluginRig rig;
  Config config;
  Complaints complaints("gateway.yaml");
  SUBCASE("nothing there") {
    config.plugins.push_back({"it", rig.folder.path() + "/none.so", {}, {14, 3}});
    InspectPlugins(config, complaints);
    CHECK(complaints.Text() ==
          "gateway.yaml:14:3: plugins.it.use: there is no file '" + rig.folder.path() + "/none.so'\n");
  }
  SUBCASE("a folder") {
    config.plugins.push_back({"it", rig.folder.path() + "/", {}, {14, 3}});
    InspectPlugins(config, complaints);
    CHECK(complaints.Text() == "gateway.yaml:14:3: plugins.it: " + rig.folder.path() +
                                   "/: open: this is not a file. Give the path of a .so file.\n");
  }
  SUBCASE("a name that no directory has") {
    rig.folder.Write("auth_portal.so", "");
    config.plugin_directories = {rig.folder.path()};
    config.plugins.push_back({"it", "auth-portals", {}, {14, 3}});
    InspectPlugins(config, complaints);
    CHECK(complaints.Text() == "gateway.yaml:14:3: plugins.it.use: no plugin 'auth-portals' in " + rig.folder.path() +
                                   " (did you mean 'auth_portal'?)\n");
  }
}

TEST_CASE("a file whose tag cannot be served is refused before any of its code runs") {
  FixtureTag tag;
  SUBCASE("no tag") {
    CheckRefusal(FixtureWithRawTag(""),
                 kInspect + "no plugin tag (section .sgw.tag). Is this a plugin? Is its SGW_ line missing?\n");
  }
  SUBCASE("a damaged tag") {
    tag.abi = "[1,0";
    PluginRig rig;
    const std::string message(rig.Serve(FixtureBytes(tag)).message());
    CHECK(message.find(": inspect: the plugin tag is damaged (") != std::string::npos);
    CHECK(message.find("). Build it again.\n") != std::string::npos);
  }
  SUBCASE("no version") {
    tag.abi = "[]";
    CheckRefusal(FixtureBytes(tag), kInspect + "the plugin tag names no ABI. Build it with the SDK.\n");
  }
  SUBCASE("no name") {
    CheckRefusal(FixtureWithRawTag("sgw-tag-1\n{\"kind\":\"auth\",\"abi\":[1,0]}"),
                 kInspect + "the plugin tag is damaged (it has no name). Build it again.\n");
  }
  SUBCASE("a newer major version") {
    tag.abi = "[2,1]";
    CheckRefusal(FixtureBytes(tag), kInspect + "built for SDK 2.1, this gateway speaks " + kSpoken +
                                        ". Rebuild with SDK 1.x, or upgrade the gateway.\n");
  }
  SUBCASE("a minor version that has what this gateway has not") {
    tag.abi = "[1,99]";
    CheckRefusal(FixtureBytes(tag), kInspect + "built for SDK 1.99, this gateway speaks " + kSpoken +
                                        ". Rebuild with SDK 1.x, or upgrade the gateway.\n");
  }
  SUBCASE("a version that only looks like ours when it is cut to 32 bits") {
    tag.abi = "[4294967297,0]";
    CheckRefusal(FixtureBytes(tag), kInspect + "built for SDK 4294967297.0, this gateway speaks " + kSpoken +
                                        ". Rebuild with SDK 1.x, or upgrade the gateway.\n");
  }
  SUBCASE("an older major version") {
    tag.abi = "[0,9]";
    CheckRefusal(FixtureBytes(tag),
                 kInspect + "built for SDK 0.9, this gateway speaks " + kSpoken + ". Rebuild with SDK 1.x.\n");
  }
  SUBCASE("another sanitizer") {
    tag.sanitizer = "\"memory\"";
    const std::string own = *OwnSanitizer() ? "the " + std::string(OwnSanitizer()) + " sanitizer" : "no sanitizer";
    CheckRefusal(FixtureBytes(tag),
                 kInspect + "built with the memory sanitizer, this gateway with " + own + ". Build both alike.\n");
  }
  SUBCASE("a kind of tomorrow") {
    tag.kind = "\"brewer\"";
    CheckRefusal(FixtureBytes(tag),
                 kInspect + "it is of the kind 'brewer', which this gateway does not know. Upgrade it.\n");
  }
}

TEST_CASE("a file that could not be loaded is refused before any of its code runs") {
  SUBCASE("no entry") {
    CheckRefusal(Renamed(FixtureBytes(), SGW_ENTRY_SYMBOL, "sgw_plugin_exit"),
                 kInspect + "it does not export sgw_plugin_entry. Build it with sgw_add_plugin().\n");
  }
  SUBCASE("a RUNPATH beside the file, where the sealed copy is not") {
    CheckRefusal(Renamed(FixtureBytes(), "/nowhere/lib", "$ORIGIN/lib"),
                 kInspect +
                     "its RUNPATH has $ORIGIN, which has no meaning in the sealed copy that is loaded. Link it with an "
                     "absolute path, or statically.\n");
  }
}

TEST_CASE("an undefined symbol is told at once, by its name and the file's, not at its first call") {
  PluginRig rig;
  const Status status = rig.Serve(Renamed(FixtureBytes(), "strstr", "acme_f"));
  CHECK(status.message().find(rig.file + ": load: ") == 0);
  CHECK(status.message().find("undefined symbol: acme_f") != std::string::npos);
  CHECK(status.message().find("/proc/self/fd") == std::string::npos);
  CHECK(status.message().find("Link what it needs into the plugin, or install it.") != std::string::npos);
}

TEST_CASE("a plugin that does not come to terms with the host is refused") {
  FixtureTag tag;
  const auto refused = [&](const std::string& bad, const std::string& wanted) {
    tag.bad = bad;
    CheckRefusal(FixtureBytes(tag), "FILE: negotiate: " + wanted);
  };
  const std::string cure = " Rebuild it with its SDK.";
  SUBCASE("it says why") { refused("refusal", "I want a host with wheels"); }
  SUBCASE("it says nothing") { refused("silent refusal", "it refused without a reason. Ask its author."); }
  SUBCASE("it throws") {
    refused("entry throw", "an exception crossed the boundary (something that is no std::exception)." + cure);
  }
  SUBCASE("its table ends too early") {
    refused("short table", "its table is of ABI 1 and has " + std::to_string(offsetof(sgw_plugin, auth)) +
                               " bytes; ABI 1 and at least " + std::to_string(sizeof(sgw_plugin)) +
                               " were promised by its tag." + cure);
  }
  SUBCASE("its table is of another version than its tag") {
    refused("other major", "its table is of ABI 2 and has " + std::to_string(sizeof(sgw_plugin)) +
                               " bytes; ABI 1 and at least " + std::to_string(sizeof(sgw_plugin)) +
                               " were promised by its tag." + cure);
  }
  SUBCASE("it is not of the kind that its tag says") {
    refused("no kind", "its table has not all functions of the kind 'auth'." + cure);
  }
  SUBCASE("it cannot be created") {
    refused("no create", "its table has no create, start, quiesce, stop or destroy." + cure);
  }
}

TEST_CASE("a plugin with a longer table than the host knows serves, and so does one without the optional functions") {
  FixtureTag tag;
  SUBCASE("longer") { tag.bad = "longer table"; }
  SUBCASE("without") { tag.bad = "no optional functions"; }
  PluginRig rig;
  REQUIRE(rig.Serve(FixtureBytes(tag)).ok());
  CHECK(rig.instance().Describe() == "{}");
  rig.On([&] {
    const CallFacts facts;
    Ask ask = rig.instance().Authenticate(facts, [](const PluginAnswer&) { FAIL("nobody answered"); });
    CHECK(ask.is_pending());
  });
  rig.generation->Stop();
  CHECK(rig.instance().state() == Instance::State::kStopped);
}

TEST_CASE("settings that the tag does not know are refused with their place and the nearest name") {
  PluginRig rig;
  rig.settings = SettingsOf({{"hook", "1"}, {"hoook", "2"}});
  CHECK(rig.Serve().message() == "gateway.yaml:15:5: plugins.it has no setting 'hoook' (did you mean 'hook'?)\n");
  rig.settings = SettingsOf({{"hoook", "2"}});
  CHECK(rig.Serve().message().find("plugins.it needs 'hook': Address of a Hook.\n") != std::string::npos);
}

TEST_CASE("a plugin that throws in create ends the start with its reason") {
  PluginRig rig;
  rig.hook.create = [](const sgw_create_args&) { throw std::runtime_error("no such portal"); };
  CHECK(rig.Serve().message() == rig.file +
                                     ": create 'it': an exception crossed the boundary (no such portal). Rebuild it "
                                     "with its SDK.");
}

TEST_CASE("a plugin that throws in start, or says that it failed, ends the start with its reason") {
  PluginRig rig;
  SUBCASE("throws") {
    rig.hook.life = [](const std::string&, sgw_ask) -> std::int32_t { throw std::runtime_error("no such portal"); };
    CHECK(rig.Serve().message() ==
          rig.file + ": start 'it': an exception crossed the boundary (no such portal). Rebuild it with its SDK.");
    CHECK(rig.Misuse("threw") > 0);
  }
  SUBCASE("fails") {
    rig.hook.life = [&](const std::string& step, sgw_ask ask) {
      constexpr std::string_view kWhy = "portal.acme does not answer";
      const sgw_status status{sizeof(status), step == "start" ? 14 : 0, {kWhy.data(), kWhy.size()}, -1};
      rig.hook.table->answer_done(rig.hook.host, ask, &status);
      return SGW_ANSWERED;
    };
    CHECK(rig.Serve().message() == rig.file + ": start 'it': portal.acme does not answer");
  }
}

TEST_CASE("all plugins that fail to start are said; when one refuses its configuration, each at its entry") {
  PluginRig rig;
  Hook other;
  int code = 14;
  for (Hook* const hook : {&rig.hook, &other}) {
    hook->life = [hook, &code, &rig](const std::string& step, sgw_ask ask) {
      const std::string_view why = hook == &rig.hook ? "no portal" : "no vault";
      const sgw_status status{sizeof(status),
                              step != "start"     ? 0
                              : hook == &rig.hook ? 14
                                                  : code,
                              {why.data(), why.size()},
                              -1};
      hook->table->answer_done(hook->host, ask, &status);
      return SGW_ANSWERED;
    };
  }
  rig.folder.Write("it.so", FixtureBytes());
  Config config;
  const auto settings = [](const Hook& hook) {
    return SettingsOf({{"hook", std::to_string(reinterpret_cast<std::uintptr_t>(&hook))}});
  };
  config.plugins = {{"one", rig.file, settings(rig.hook), {14, 3}}, {"two", rig.file, settings(other), {15, 3}}};
  std::string complained;
  SUBCASE("nobody refuses") {}
  SUBCASE("one refuses") {
    code = 9;
    complained = "gateway.yaml:14:3: " + rig.file + ": start 'one': no portal\ngateway.yaml:15:3: " + rig.file +
                 ": start 'two': no vault\n";
  }
  Complaints complaints("gateway.yaml");
  auto made = Generation::Create(config, InspectPlugins(config, complaints), rig.services, complaints);
  REQUIRE(made);
  CHECK((*made)->Start(complaints).message() ==
        rig.file + ": start 'one': no portal\n" + rig.file + ": start 'two': no vault");
  CHECK(complaints.Text() == complained);
}

TEST_CASE("a plugin that never says it has started ends the start at the deadline, and is stopped and destroyed") {
  PluginRig rig;
  std::vector<std::string> steps;
  bool is_destroyed = false;
  rig.hook.destroy = [&] { is_destroyed = true; };
  rig.hook.life = [&, answer = rig.hook.life](const std::string& step, sgw_ask ask) -> std::int32_t {
    steps.push_back(step);
    return step == "start" ? std::int32_t{SGW_PENDING} : answer(step, ask);
  };
  CHECK(rig.Serve(FixtureBytes(), 300ms).message() ==
        rig.file + ": start 'it': it gave no answer within 300 ms. See in its log what it waits for.");
  rig.Settle();
  CHECK(steps == std::vector<std::string>{"start", "quiesce", "stop"});
  CHECK(is_destroyed);
}

TEST_CASE("a plugin that hangs in start ends the start at the deadline, and is left alone") {
  PluginRig rig;
  std::promise<void> released;
  bool is_destroyed = false;
  rig.hook.destroy = [&] { is_destroyed = true; };
  rig.hook.life = [&](const std::string&, sgw_ask) -> std::int32_t {
    released.get_future().wait();
    return SGW_PENDING;
  };
  CHECK(rig.Serve(FixtureBytes(), 300ms).message() ==
        rig.file + ": start 'it': it hangs: the function has not returned after 300 ms. It must not wait.");
  CHECK(rig.services.is_control_stuck);
  CHECK_FALSE(is_destroyed);
  released.set_value();
}

TEST_CASE("a crash inside a plugin says whose code it was before the process ends as it would have ended") {
  const std::string said = "spark-gateway: crashed inside a plugin: ";
  FixtureTag tag;
  Ended ended;
  SUBCASE("in a static constructor") {
    tag.bad = "constructor";
    ended = ServeInChild(tag);
    CHECK(ended.said.find("/it.so: load\n") != std::string::npos);
  }
  SUBCASE("in the entry") {
    tag.bad = "entry crash";
    ended = ServeInChild(tag);
    CHECK(ended.said.find("/it.so: negotiate\n") != std::string::npos);
  }
  SUBCASE("in start") {
    ended = ServeInChild(
        tag, [](Hook& hook) { hook.life = [](const std::string&, sgw_ask) -> std::int32_t { std::abort(); }; });
    CHECK(ended.said.find("/it.so: start 'it'\n") != std::string::npos);
    CHECK(ended.signal == SIGABRT);
  }
  SUBCASE("when its stack is full") {
    ended = ServeInChild(tag, [](Hook& hook) {
      hook.life = [](const std::string&, sgw_ask) -> std::int32_t {
        char bottom = 0;
        return FillTheStack(&bottom);
      };
    });
    CHECK(ended.said.find("/it.so: start 'it'\n") != std::string::npos);
  }
  CHECK(ended.said.find(said) != std::string::npos);
}

TEST_CASE("a plugin that calls exit() is named, and the process has not ended well") {
  const Ended ended = ServeInChild(
      FixtureTag(), [](Hook& hook) { hook.life = [](const std::string&, sgw_ask) -> std::int32_t { std::exit(0); }; });
  CHECK(ended.said.find("spark-gateway: exit() was called inside a plugin: ") != std::string::npos);
  CHECK(ended.said.find("/it.so: start 'it'\n") != std::string::npos);
  CHECK(ended.code == 1);
}

TEST_CASE("who is asked to end while a plugin starts does not wait for it, and begins no other") {
  PluginRig rig;
  std::atomic<bool> is_asked{false};
  std::vector<std::string> steps;
  rig.hook.life = [&, answer = rig.hook.life](const std::string& step, sgw_ask ask) -> std::int32_t {
    steps.push_back(step);
    if (step != "start") return answer(step, ask);
    is_asked = true;
    return SGW_PENDING;
  };
  rig.services.has_been_asked_to_end = [&] { return is_asked.load(); };
  CHECK(rig.Serve().code() == StatusCode::kCancelled);
  CHECK(steps == std::vector<std::string>{"start", "quiesce", "stop"});
  CHECK(rig.Serve().code() == StatusCode::kCancelled);
  CHECK(steps.size() == 3);
}

TEST_CASE("an instance whose blocking work does not end is left alone") {
  PluginRig rig;
  std::promise<void> released;
  bool is_destroyed = false;
  rig.hook.destroy = [&] { is_destroyed = true; };
  REQUIRE(rig.Serve().ok());
  const sgw_callback waiting{
      [](void* gate, const void*) { static_cast<std::promise<void>*>(gate)->get_future().wait(); }, nullptr, &released};
  REQUIRE(rig.hook.table->run_blocking(rig.hook.host, waiting) != 0);
  rig.generation.reset();
  CHECK(rig.services.is_blocking_stuck);
  CHECK_FALSE(is_destroyed);
  released.set_value();
}

TEST_CASE("a file that is replaced on disk while it runs keeps serving, and the next load takes the new one") {
  PluginRig rig;
  int asked = 0;
  rig.hook.ask = [&](sgw_ask) -> std::int32_t { return ++asked, SGW_PENDING; };
  REQUIRE(rig.Serve().ok());
  // Overwritten in place, as a careless copy does: a mapping of the file itself would change or end in SIGBUS.
  std::ofstream(rig.file, std::ios::binary | std::ios::trunc) << "gone";
  rig.On([&] {
    const Ask ask = rig.instance().Authenticate(CallFacts(), [](const PluginAnswer&) {});
    CHECK(ask.is_pending());
  });
  CHECK(asked == 1);
  CHECK(Library::Open(rig.file).status().message().find("this is not a shared library") != std::string::npos);
  rig.folder.Write("it.so", FixtureBytes());
  const auto again = Library::Open(rig.file);
  REQUIRE(again);
  rig.On([&] {
    CHECK((*again)->Load(HostFunctions()).ok());
    CHECK((*again)->plugin() != rig.instance().library().plugin());  // code of its own, not the loaded one again
  });
}
