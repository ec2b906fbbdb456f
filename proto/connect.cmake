sgw_proto(connect FILES spark_connect/base.proto spark_connect/error_details.proto testing/echo.proto)
