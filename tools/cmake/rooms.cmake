# What every room of the tree is built with, and the functions that make one.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(SGW_CCACHE ccache)
if(SGW_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SGW_CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # With optimisation, GCC 12 warns of overlaps in std::string's own operator+ that cannot happen (GCC bug 105651).
  add_compile_options(-Wno-restrict)
endif()
if(SGW_SANITIZE)
  add_compile_options(-fsanitize=${SGW_SANITIZE} -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SGW_SANITIZE})
endif()
if(SGW_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link -fno-sanitize-recover=all)
endif()
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # Sources are included into one: what is in an unnamed namespace there looks as if a header had it.
  add_compile_options(-Wno-subobject-linkage)
endif()
if(SGW_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  add_compile_options(-Wno-tsan)  # Asio's fences, which the sanitizer does not see, stand beside atomics that it does.
endif()

# Half of the time to compile, and nobody measures a test.
set(SGW_TEST_OPTIONS $<$<CONFIG:Release>:-O1>)
if(SGW_SANITIZE)
  set(SGW_TEST_OPTIONS -O0)
endif()

# Tests of a sanitizer build carry its name, so that one summary can list them beside the others.
set(SGW_TEST_PREFIX "")
if(SGW_FUZZ)
  set(SGW_TEST_PREFIX "fuzz.")
elseif(SGW_SANITIZE MATCHES address)
  set(SGW_TEST_PREFIX "asan.")
elseif(SGW_SANITIZE MATCHES thread)
  set(SGW_TEST_PREFIX "tsan.")
endif()

set(Boost_USE_STATIC_LIBS OFF)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS program_options filesystem json)
find_package(OpenSSL REQUIRED)
find_package(CURL 7.87 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(doctest REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(tcmalloc REQUIRED IMPORTED_TARGET libtcmalloc_minimal)
find_package(gRPC CONFIG REQUIRED)
find_package(Protobuf REQUIRED)
find_program(SGW_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

# sgw_room(<name> SOURCES <files> [ROOMS <rooms it may include>] [LIBRARIES <libraries it may name>])
#
# One static library `core_<name>` from core/<name>. ROOMS become public links, so they are the arrows of the design;
# LIBRARIES stay private, so no header of the room may include them.
function(sgw_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;ROOMS;LIBRARIES" ${ARGN})
  add_library(core_${name} STATIC ${ROOM_SOURCES})
  target_include_directories(core_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(core_${name} PUBLIC SparkGatewaySdk::sdk Threads::Threads)
  foreach(room ${ROOM_ROOMS})
    target_link_libraries(core_${name} PUBLIC core_${room})
  endforeach()
  target_link_libraries(core_${name} PRIVATE spdlog::spdlog ${ROOM_LIBRARIES})
endfunction()

# sgw_test(<name> SOURCES <files> [LINK <targets>] [LABELS <labels>] [TIMEOUT <seconds>]
#          [BESIDE <words of a command that runs the program beside what it needs>])
#
# One doctest program and one ctest of that name. Labels: `unit` (default), `scripted`, `spark`.
function(sgw_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LINK;LABELS;BESIDE" ${ARGN})
  if(NOT TEST_LABELS)
    set(TEST_LABELS unit)
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE tests_support ${TEST_LINK})
  target_compile_options(${name} PRIVATE ${SGW_TEST_OPTIONS})
  if(SGW_SANITIZE AND NOT CMAKE_CURRENT_SOURCE_DIR MATCHES "/tests/sdk$")
    # A third of the time to compile. Rooms are looked at in their own libraries; the SDK is headers, here alone.
    target_compile_options(${name} PRIVATE -fno-sanitize=undefined)
  endif()
  add_test(NAME ${SGW_TEST_PREFIX}${name} COMMAND ${TEST_BESIDE} $<TARGET_FILE:${name}>)
  set_tests_properties(${SGW_TEST_PREFIX}${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT ${TEST_TIMEOUT})
endfunction()

# sgw_program_test(<name> COMMAND <words> LABELS <labels> [PROCESSORS <how many it fills, two for a core>]
#                  [ENVIRONMENT <NAME=value>...] [CONFIGURATIONS <with which --build-config of ctest alone it runs>])
#
# A ctest that drives the gateway's program from outside; the caller sees to it that there is one. The program is
# SGW_BINARY, and SGW_SANITIZE says what it was built with: what a sanitizer finds ends it with an exit code that no test
# takes for one of the gateway's own.
function(sgw_program_test name)
  cmake_parse_arguments(TEST "" "PROCESSORS" "COMMAND;LABELS;ENVIRONMENT;CONFIGURATIONS" ${ARGN})
  set(environment "SGW_BINARY=$<TARGET_FILE:spark-gateway>" ${TEST_ENVIRONMENT})
  if(SGW_SANITIZE)
    list(APPEND environment "SGW_SANITIZE=${SGW_SANITIZE}" "ASAN_OPTIONS=exitcode=99" "LSAN_OPTIONS=exitcode=99"
      "TSAN_OPTIONS=exitcode=99" "UBSAN_OPTIONS=exitcode=99:print_stacktrace=1")
  endif()
  if(NOT TEST_PROCESSORS)
    set(TEST_PROCESSORS 1)
  endif()
  add_test(NAME ${SGW_TEST_PREFIX}${name} COMMAND ${TEST_COMMAND} CONFIGURATIONS ${TEST_CONFIGURATIONS})
  set_tests_properties(${SGW_TEST_PREFIX}${name} PROPERTIES
    LABELS "${TEST_LABELS}" TIMEOUT 300 PROCESSORS ${TEST_PROCESSORS} ENVIRONMENT "${environment}")
endfunction()
