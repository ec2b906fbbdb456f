# Installs the SDK from BUILD, copies the template away, and builds and tests it against what was installed.
cmake_minimum_required(VERSION 3.25)
set(prefix ${WORK}/prefix)
set(copy ${WORK}/router_by_group)
file(REMOVE_RECURSE ${WORK})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}:\n${output}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix} --component sdk)
file(COPY ${prefix}/share/spark-gateway/plugin-template/ DESTINATION ${copy})
run(${CMAKE_COMMAND} -S ${copy} -B ${copy}/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -DCMAKE_CXX_FLAGS=${FLAGS})
run(${CMAKE_COMMAND} --build ${copy}/build -j2)
run(${CTEST} --test-dir ${copy}/build --output-on-failure --no-tests=error)
if(NOT EXISTS ${copy}/build/plugins/router_by_group.so)
  message(FATAL_ERROR "the plugin is not where the guide says")
endif()
file(REMOVE_RECURSE ${WORK})
