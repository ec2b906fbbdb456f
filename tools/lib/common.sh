# shellcheck shell=bash
# What every tool of this folder starts with: where the tree is, how to speak, how to give up. Sourced, never run.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
local_dir=${SGW_LOCAL:-$root/.local}  # Everything that the tools download or make, besides build/; git ignores it.

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

say() { printf '%s\n' "$@"; }
step() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }

# The first line says what is wrong, further arguments what to do about it.
die() {
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  shift
  (($# == 0)) || printf '    %s\n' "$@" >&2
  exit 1
}

# usage: prints the comment that opens the calling script, as its help.
usage() { sed -n '2,/^[^#]/ { /^#/ s/^# \{0,1\}//p }' "$0"; }

# logged NAME WHAT-TO-DO COMMAND...: runs quietly; when the command fails, shows the end of what it said. While it runs, a
# line now and then says that it does, and what it does.
logged() {
  local name=$1 advice=$2 log status=0 watcher
  shift 2
  mkdir -p "$local_dir/log"
  log=$local_dir/log/$name.log
  : >"$log"
  tell_progress "$name" "$log" "$BASHPID" &
  watcher=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$watcher" 2>/dev/null
  wait "$watcher" 2>/dev/null || true
  ((status != 0)) || return 0
  printf '%s: %s failed; the end of %s:\n' "$(basename "$0")" "$name" "$log" >&2
  tail -n 30 "$log" | sed 's/^/    | /' >&2
  if grep -qiE 'no space left|disk quota' "$log"; then
    advice="The disk is full: free some space, then run this again."
  elif grep -qiE 'no matching distribution|unable to locate package|could not find artifact' "$log" &&
    ! grep -qiE 'failed to establish|could not resolve|temporary failure' "$log"; then
    advice="The place that packages come from does not have it: look at its settings (apt's sources, pip.conf and PIP_INDEX_URL, Maven's settings.xml)."
  elif grep -qiE 'resolve|connection|timed out|unreachable|could not fetch|failed to fetch' "$log"; then
    advice="A download failed: check the network and the proxy settings, then run this again; it goes on where it stopped."
  fi
  printf '    %s\n' "$advice" >&2
  return 1
}

# tell_progress NAME LOG PROCESS: every 15 s the last line of the log, until it is ended or the process is gone.
tell_progress() {
  local begun=$SECONDS silence
  exec {silence}<> <(:)  # Nothing ever comes here: a pause that leaves no child behind.
  until read -rt 15 -u "$silence" || ! kill -0 "$3" 2>/dev/null; do
    printf '    %s, %d s: %.100s\n' "$1" $((SECONDS - begun)) "$(grep -v '^ *$' "$2" | tail -n 1)"
  done
}

# in_background COMMAND...: starts it in a process group of its own, whose id is then in $job. Ctrl-C does not reach it.
in_background() {
  set -m
  "$@" </dev/null &
  # shellcheck disable=SC2034  # The caller reads it.
  job=$!
  set +m
}

# all_succeed JOB...: waits for jobs of in_background; when one fails, the others are ended.
all_succeed() {
  local left=("$@") others ended other
  while ((${#left[@]} > 0)); do
    ended=0
    wait -n -p ended "${left[@]}" || { end_jobs "${left[@]}"; return 1; }
    others=()
    for other in "${left[@]}"; do [[ $other == "$ended" ]] || others+=("$other"); done
    left=("${others[@]}")
  done
}

end_jobs() {
  local one
  for one in "$@"; do kill -- "-$one" 2>/dev/null || true; done
  wait "$@" 2>/dev/null || true
}

# need_space MEGABYTES WHAT: refuses to begin what the disk cannot hold.
need_space() {
  local free
  free=$(df -Pm "$local_dir" | awk 'NR == 2 { print $4 }')
  ((free >= $1)) || die "$2 needs about $1 MB under $local_dir, and only $free MB are free." \
    "Free some space, or set SGW_LOCAL to a folder on a larger disk, then run this again."
}
