# shellcheck shell=bash
# Debian packages: which ones each step of tools/prepare needs, and their installation. Sourced after common.sh, spark.sh.

: "${local_dir:?}"

build_packages=(cmake ninja-build g++ ccache pkg-config libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev
  protobuf-compiler libboost1.81-dev libboost-program-options1.81-dev libboost-filesystem1.81-dev
  libboost-json1.81-dev libboost-url1.81-dev libyaml-cpp-dev libspdlog-dev libssl-dev doctest-dev
  libcurl4-openssl-dev libnghttp2-dev prometheus-cpp-dev libc-ares-dev zlib1g-dev
  libgoogle-perftools-dev)
bench_packages=(haproxy nginx-light nghttp2-proxy nghttp2-client openssl)
bench_services=(haproxy nginx nghttpx)  # What these packages start, and the benchmark starts by itself.
lint_packages=(clang-format clang-tidy shellcheck)
fuzz_packages=(clang-14 libclang-rt-14-dev libfuzzer-14-dev llvm-14)

# Prints a Python that is new enough for PySpark 4 and can make environments; the system's own is asked first.
find_python() {
  local python
  for python in /usr/bin/python3 "$(command -v python3 || true)"; do
    [[ -x $python ]] || continue
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo "$python"; return; }
  done
  return 1
}

# Those of the packages $@ that are not installed.
missing_packages() {
  comm -23 <(printf '%s\n' "$@" | sort -u) \
    <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii  *//p' | sort -u)
}

# install_packages STEP...: what these steps need and the machine lacks, in one go.
install_packages() {
  local wanted=() missing=() step
  for step in "$@"; do
    case $step in
      build) wanted+=("${build_packages[@]}" curl ca-certificates) ;;
      bench) wanted+=("${bench_packages[@]}") ;;
      lint) wanted+=("${lint_packages[@]}") ;;
      fuzz) wanted+=("${fuzz_packages[@]}") ;;
      java) find_java >/dev/null || wanted+=(openjdk-17-jre-headless) ;;
      keycloak)
        find_java >/dev/null || wanted+=(openjdk-17-jre-headless)
        [[ -e $local_dir/keycloak/.ready ]] || command -v mvn >/dev/null || wanted+=(maven)
        ;;
      identity) command -v npm >/dev/null || wanted+=(npm) ;;
      jvm | clients)
        [[ $step == jvm && -e $local_dir/jvm/4.2.0/.ready ]] || command -v mvn >/dev/null || wanted+=(maven)
        command -v javac >/dev/null || wanted+=(openjdk-17-jdk-headless)
        ;;
    esac
    case $step in
      spark | clients | bench | conformance) [[ -x $local_dir/venv/bin/python3 ]] || find_python >/dev/null || wanted+=(python3 python3-venv) ;;
    esac
  done
  ((${#wanted[@]} > 0)) || return 0
  command -v dpkg-query >/dev/null || die "this machine has no Debian packages." "Needed: ${wanted[*]}"
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  ((${#missing[@]} > 0)) || return 0

  local sudo=()
  if ((EUID != 0)); then
    sudo=(sudo -n)
    sudo -n true 2>/dev/null || die "these Debian packages are missing: ${missing[*]}" \
      "Run as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  fi
  step "installing ${#missing[@]} Debian packages"
  mkdir -p "$local_dir"
  logged apt "Read the lines above, then try by hand: apt-get install ${missing[*]}" \
    "${sudo[@]}" bash -c 'export DEBIAN_FRONTEND=noninteractive
      apt-get update -q && apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"' - "${missing[@]}"
  [[ " ${missing[*]} " != *" haproxy "* && " ${missing[*]} " != *" nginx-light "* ]] ||
    "${sudo[@]}" systemctl disable --now "${bench_services[@]}" >/dev/null 2>&1 || true
}
