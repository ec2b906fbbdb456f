// The one include of a plugin's author: everything of the SDK, and the line that turns a class into a plugin.
//
//   class Portal : public sgw::Authenticator { public: Portal(PortalSettings, sgw::Host&); ... };
//   SGW_AUTHENTICATOR("auth_portal", Portal, PortalSettings)
//
// The line stands once per library, at global scope. It writes the tag that the gateway reads before it runs any code
// of the library (name, kind, versions, schema of the settings, capabilities) and defines the one symbol that it looks
// up. The name is the library's file name without ".so". A plugin without settings names NoSettings.
#pragma once

#include <sgw/audit.h>
#include <sgw/authenticator.h>
#include <sgw/cache.h>
#include <sgw/discovery.h>
#include <sgw/door.h>
#include <sgw/host.h>
#include <sgw/hot_pool.h>
#include <sgw/json.h>
#include <sgw/jwt.h>
#include <sgw/launcher.h>
#include <sgw/metrics.h>
#include <sgw/router.h>
#include <sgw/session_store.h>
#include <sgw/settings.h>
#include <sgw/values.h>
#if __has_include(<sgw/warm_pool.h>)
#include <sgw/warm_pool.h>
#endif

#define SGW_AUTHENTICATOR(name, Class, SettingsStruct) SGW_PLUGIN(name, ::sgw::Authenticator, Class, SettingsStruct)
#define SGW_ROUTER(name, Class, SettingsStruct) SGW_PLUGIN(name, ::sgw::Router, Class, SettingsStruct)
#define SGW_HOT_POOL(name, Class, SettingsStruct) SGW_PLUGIN(name, ::sgw::HotPool, Class, SettingsStruct)
#define SGW_DISCOVERY(name, Class, SettingsStruct) SGW_PLUGIN(name, ::sgw::Discovery, Class, SettingsStruct)
#define SGW_AUDIT(name, Class, SettingsStruct) SGW_PLUGIN(name, ::sgw::Audit, Class, SettingsStruct)
#define SGW_METRICS(name, Class, SettingsStruct) SGW_PLUGIN(name, ::sgw::Metrics, Class, SettingsStruct)
#define SGW_SESSION_STORE(name, Class, SettingsStruct) SGW_PLUGIN(name, ::sgw::SessionStore, Class, SettingsStruct)
// A Launcher under a WarmPool: the settings are the pool's and the launcher's, side by side.
#define SGW_LAUNCHER(name, Class, SettingsStruct) \
  SGW_PLUGIN(name, ::sgw::HotPool, ::sgw::WarmPool<Class>, ::sgw::WarmPoolSettings<SettingsStruct>)
