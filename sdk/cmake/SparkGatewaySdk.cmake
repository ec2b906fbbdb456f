# sgw_add_plugin(<name> KIND <kind> SOURCES <files>
#                [LINK <libraries>] [TESTS <files>] [TEST_LINK <libraries>] [CONFORMANCE_SETTINGS <json>] [NO_INSTALL])
#
# Builds the plugin <name>.so in ${CMAKE_BINARY_DIR}/plugins and installs it where the gateway looks (unless NO_INSTALL). The library exports
# sgw_plugin_entry and nothing else, has no undefined symbols, and links what LINK says and the standard library. The
# build fails when the tag that the SGW_ line wrote has another name or kind: auth, router, hot-pool, discovery, audit,
# metrics or session-store.
#
# With SGW_BUILD_TESTS on (the default) it also builds <name>_test and registers it with ctest, label `unit`: the
# doctest files of TESTS, and the conformance suite of the kind, which loads the built library, makes an instance with
# CONFORMANCE_SETTINGS (the settings as JSON as the host gives them, durations in milliseconds; default {}) and plays with
# it. Relative paths in these settings start at the plugin's source directory. TESTS see the plugin's headers and classes,
# and SGW_PLUGIN_FILE, the path of the library.

set(_sgw_cmake_dir "${CMAKE_CURRENT_LIST_DIR}")

function(sgw_add_plugin name)
  cmake_parse_arguments(PLUGIN "NO_INSTALL" "KIND;CONFORMANCE_SETTINGS" "SOURCES;LINK;TESTS;TEST_LINK" ${ARGN})
  if(NOT PLUGIN_KIND OR NOT PLUGIN_SOURCES OR PLUGIN_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "sgw_add_plugin(${name}): needs KIND and SOURCES, and does not know '${PLUGIN_UNPARSED_ARGUMENTS}'")
  endif()
  set(here "${CMAKE_CURRENT_FUNCTION_LIST_DIR}")

  add_library(${name}_objects OBJECT ${PLUGIN_SOURCES})
  target_link_libraries(${name}_objects PUBLIC SparkGatewaySdk::sdk ${PLUGIN_LINK})
  target_include_directories(${name}_objects PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_options(${name}_objects PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
  set_target_properties(${name}_objects PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

  add_library(${name} MODULE)
  target_link_libraries(${name} PRIVATE ${name}_objects)
  # Clang leaves the sanitizers' own symbols undefined in libraries; GCC does not.
  target_link_options(${name} PRIVATE -Wl,--version-script=${here}/plugin.map -Wl,--exclude-libs,ALL)
  if(NOT (CMAKE_CXX_COMPILER_ID MATCHES Clang AND SGW_SANITIZE))
    target_link_options(${name} PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(${name} PROPERTIES
    PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins LINKER_LANGUAGE CXX
    LINK_DEPENDS ${here}/plugin.map)
  add_custom_command(TARGET ${name} POST_BUILD VERBATIM
    COMMAND ${CMAKE_COMMAND} -DFILE=$<TARGET_FILE:${name}> -DNAME=${name} -DKIND=${PLUGIN_KIND} -DNM=${CMAKE_NM}
            -DOBJCOPY=${CMAKE_OBJCOPY} -P ${here}/CheckPlugin.cmake)
  if(PLUGIN_NO_INSTALL)
    # What is not installed is for tests, which are in no hurry.
    target_compile_options(${name}_objects PRIVATE ${SGW_TEST_OPTIONS})
  else()
    include(GNUInstallDirs)
    install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/spark-gateway/plugins COMPONENT plugins)
  endif()

  if(DEFINED SGW_BUILD_TESTS AND NOT SGW_BUILD_TESTS)
    return()
  endif()
  find_package(doctest REQUIRED)
  if(NOT PLUGIN_CONFORMANCE_SETTINGS)
    set(PLUGIN_CONFORMANCE_SETTINGS "{}")
  endif()
  # Much of a build's time goes into the suite: once is enough, and its speed is nobody's concern.
  if(NOT TARGET sgw_plugin_test_main)
    add_library(sgw_plugin_test_main OBJECT EXCLUDE_FROM_ALL ${here}/plugin_test_main.cpp)
    target_link_libraries(sgw_plugin_test_main PUBLIC SparkGatewaySdk::sdk doctest::doctest)
    target_compile_options(sgw_plugin_test_main PRIVATE $<$<CONFIG:Release>:-O1> ${SGW_TEST_OPTIONS})
  endif()
  configure_file(${here}/plugin_under_test.cpp.in ${CMAKE_CURRENT_BINARY_DIR}/${name}_under_test.cpp @ONLY)
  add_executable(${name}_test ${CMAKE_CURRENT_BINARY_DIR}/${name}_under_test.cpp ${PLUGIN_TESTS})
  target_link_libraries(${name}_test PRIVATE ${name}_objects sgw_plugin_test_main ${PLUGIN_TEST_LINK} ${CMAKE_DL_LIBS})
  target_compile_options(${name}_test PRIVATE $<$<CONFIG:Release>:-O1> ${SGW_TEST_OPTIONS})
  target_compile_definitions(${name}_test PRIVATE SGW_PLUGIN_FILE="$<TARGET_FILE:${name}>")
  add_dependencies(${name}_test ${name})
  add_test(NAME ${SGW_TEST_PREFIX}${name}_test COMMAND ${name}_test WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(${SGW_TEST_PREFIX}${name}_test PROPERTIES LABELS unit TIMEOUT 120)
endfunction()
