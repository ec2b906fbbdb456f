sgw_proto(admin FILES spark_gateway/admin.proto)
