# shellcheck shell=bash
# Finds the parts of a Spark installation, and says whether a class-data archive fits them. Sourced after common.sh.

: "${local_dir:?}"

# The major version of the Java whose launcher is $1, or 0.
java_version() {
  local release version=
  release=$(readlink -f "$1" 2>/dev/null) || { echo 0; return; }
  release=${release%/bin/java}/release
  [[ ! -r $release ]] || version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$release")
  [[ -n $version ]] || version=$("$1" -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p')
  echo "${version:-0}"
}

# Prints the launcher of a Java that is new enough for Spark 4, and fails when there is none.
find_java() {
  local java
  for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    [[ -n $java && -x $java ]] || continue
    (($(java_version "$java") >= 17)) && { echo "$java"; return; }
  done
  return 1
}

# Prints the folder of Spark: the one that tools/prepare made, else $SPARK_HOME.
find_spark() {
  local home
  for home in "$local_dir"/venv/lib/python3*/site-packages/pyspark "${SPARK_HOME:-}"; do
    [[ -n $home && -d $home/jars ]] && { echo "$home"; return; }
  done
  return 1
}

# What a class-data archive is bound to: this JVM (by its library) and these jars.
archive_stamp() { # java, spark home
  local home
  home=$(readlink -f "$1")
  stat -Lc '%n %s %Y' "${home%/bin/java}/lib/server/libjvm.so" "$2"/jars/*.jar | md5sum | cut -d' ' -f1
}

# What Spark's own launcher gives a JVM (JavaModuleOptions), without the vector module that only ML uses.
module_options=(-XX:+IgnoreUnrecognizedVMOptions)
for package in java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util java.util.concurrent \
  java.util.concurrent.atomic jdk.internal.ref sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar; do
  module_options+=("--add-opens=java.base/$package=ALL-UNNAMED")
done
module_options+=(--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED
  -Dio.netty.tryReflectionSetAccessible=true -Dio.netty.allocator.type=pooled
  --sun-misc-unsafe-memory-access=allow --enable-native-access=ALL-UNNAMED)
