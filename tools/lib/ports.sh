# shellcheck shell=bash
# Who listens on a TCP port of this machine, read from /proc. Sourced.

# Prints the socket's inode when somebody listens on port $1.
port_inode() {
  awk -v port="$(printf ':%04X' "$1")" \
    '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Prints "process 123 (name)" for the holder of the socket with inode $1, as far as this user may see it.
inode_holder() {
  local link pid
  link=$(find /proc/[0-9]*/fd -lname "socket:\[$1\]" -print -quit 2>/dev/null || true)
  if [[ -z $link ]]; then
    echo "a process of another user"
    return
  fi
  pid=${link#/proc/}
  pid=${pid%%/*}
  echo "process $pid ($(cat "/proc/$pid/comm" 2>/dev/null))"
}
