// Everything for the tests of a plugin; see <sgw/testing/plugin_under_test.h> for where to begin.
//
//   TestHost host;
//   PluginUnderTest plugin(host, Linked<Portal, PortalSettings>(), R"({"url": "https://portal"})");
//   CHECK(plugin.Authenticate(AnyCall().Bearer("other")).now().is_next());
#pragma once

#include <sgw/testing/fake_call.h>
#include <sgw/testing/plugin_under_test.h>
#include <sgw/testing/temp_dir.h>
#include <sgw/testing/test_host.h>
