// The program that runs a plugin's own tests and the conformance suite; compiled once for all plugins of a build.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <sgw/testing/conformance.h>

// Library, settings and directory, from the few lines that sgw_add_plugin() writes for each plugin.
extern const char* const sgw_plugin_under_test[3];

TEST_CASE("the plugin holds what every plugin of its kind holds") {
  sgw::testing::CheckConformance({.file = sgw_plugin_under_test[0],
                                  .settings = sgw_plugin_under_test[1],
                                  .configuration_directory = sgw_plugin_under_test[2]});
}
