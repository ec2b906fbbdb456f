// Functions of a plugin as callbacks of the C boundary.
#pragma once

#include <sgw/abi.h>
#include <sgw/detail/link.h>
#include <sgw/detail/raw.h>
#include <sgw/handles.h>

#include <functional>
#include <memory>
#include <utility>

namespace sgw::detail {

template <typename Context>
sgw_callback CallbackOf(std::unique_ptr<Context> context) {
  return {.call = [](void* self, const void* argument) { static_cast<Context*>(self)->Call(argument); },
          .drop = [](void* self) { delete static_cast<Context*>(self); },
          .context = context.release()};
}

// A function without an argument.
inline sgw_callback MakeCallback(std::shared_ptr<Link> link, const char* what, std::function<void()> run) {
  struct Context {
    std::shared_ptr<Link> link;
    const char* what;
    std::function<void()> run;
    void Call(const void*) { link->Callback(what, run); }
  };
  return CallbackOf(std::unique_ptr<Context>(new Context{std::move(link), what, std::move(run)}));
}

// The end of a probe.
inline sgw_callback MakeProbe(std::shared_ptr<Link> link, std::function<void(Status)> done) {
  struct Context {
    std::shared_ptr<Link> link;
    std::function<void(Status)> done;
    void Call(const void* argument) {
      link->Callback("a probe's end", [&] { done(FromRaw(static_cast<const sgw_status*>(argument))); });
    }
  };
  return CallbackOf(std::unique_ptr<Context>(new Context{std::move(link), std::move(done)}));
}

// A function with an argument, unless its handle has gone.
template <typename Raw, typename Function>
sgw_callback MakeMutable(std::shared_ptr<Link> link, std::shared_ptr<Mute> mute, const char* what, Function function,
                         void (*tell)(const Function&, const Raw&)) {
  struct Context {
    std::shared_ptr<Link> link;
    std::shared_ptr<Mute> mute;
    const char* what;
    Function function;
    void (*tell)(const Function&, const Raw&);
    void Call(const void* argument) {
      if (!function) return;
      const std::shared_ptr<Mute> kept = mute;
      const std::lock_guard lock(kept->mutex);
      if (kept->is_muted) return;
      link->Callback(what, [&] { tell(function, *static_cast<const Raw*>(argument)); });
    }
  };
  return CallbackOf(
      std::unique_ptr<Context>(new Context{std::move(link), std::move(mute), what, std::move(function), tell}));
}

inline Child StartChild(const std::shared_ptr<Link>& link, ChildSpec spec) {
  const RawViews argv(spec.argv);
  const RawPairs environment(spec.environment);
  auto mute = std::make_shared<Mute>();
  using OnLine = decltype(spec.on_line);
  using OnExit = decltype(spec.on_exit);
  const sgw_child_spec raw = {
      .size = sizeof(sgw_child_spec),
      .kill_after_ms = static_cast<std::uint32_t>(spec.kill_after.count()),
      .argv = argv.get(),
      .environment = environment.get(),
      .working_directory = View(spec.working_directory),
      .output_path = View(spec.output_path),
      .on_line = MakeMutable<sgw_view, OnLine>(link, mute, "a child's line", std::move(spec.on_line),
                                               [](const OnLine& tell, const sgw_view& line) { tell(Text(line)); }),
      .on_exit = MakeMutable<sgw_child_exit, OnExit>(
          link, mute, "a child's end", std::move(spec.on_exit), [](const OnExit& tell, const sgw_child_exit& how) {
            tell({.exit_code = how.exit_code, .signal = how.signal, .error = std::string(Text(how.error))});
          })};
  const sgw_id id = link->table()->child_start(link->host(), &raw);
  return {link, std::move(mute), id};
}

}  // namespace sgw::detail
