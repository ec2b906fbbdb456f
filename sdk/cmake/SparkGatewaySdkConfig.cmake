include("${CMAKE_CURRENT_LIST_DIR}/SparkGatewaySdkTargets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/SparkGatewaySdk.cmake")
