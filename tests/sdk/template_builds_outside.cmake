# Installs BUILD, and nothing but what belongs there, and whose pages lead somewhere; copies the template away, builds and tests it against what was
# installed; and the installed gateway makes an instance of it beside those of its own plugins.
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

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
file(GLOB_RECURSE others RELATIVE ${prefix} ${prefix}/*)
list(FILTER others EXCLUDE REGEX "^(bin/spark-gateway|include/sgw/.*\\.h|${LIBDIR}/cmake/SparkGatewaySdk/[^/]*)$")
list(FILTER others EXCLUDE REGEX "^(${LIBDIR}/spark-gateway/plugins/[a-z_]*\\.so|share/spark-gateway/sdk/(README\\.md|template/.*|examples/.*))$")
if(others)
  message(FATAL_ERROR "installed, and nobody knows why: ${others}")
endif()
run(${PYTHON} ${LINKS} ${prefix})
file(COPY ${prefix}/share/spark-gateway/sdk/template/ DESTINATION ${copy})
run(${CMAKE_COMMAND} -S ${copy} -B ${copy}/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${prefix}
    -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -DCMAKE_CXX_FLAGS=${FLAGS})
run(${CMAKE_COMMAND} --build ${copy}/build -j2)
run(${CTEST} --test-dir ${copy}/build --output-on-failure --no-tests=error)

file(WRITE ${WORK}/gateway.yaml "
listeners: [{address: '127.0.0.1:0'}]
plugin_directories: ['${copy}/build/plugins']
plugins:
  who: {use: auth_anonymous}
  where: {use: router_by_group, namespaces: {data: spark-data}}
  drivers: {use: discovery_static, namespaces: {spark-data: ['127.0.0.1:1']}}
pipeline: [{auth: who}, {router: where}, {discovery: drivers}]
")
run(${prefix}/bin/spark-gateway check --deep ${WORK}/gateway.yaml)
file(REMOVE_RECURSE ${WORK})
