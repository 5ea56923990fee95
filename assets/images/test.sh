#!/usr/bin/env bash
# Build the images and try what matters on a real engine: first start as uid 1001, restart, kill -9, replication from one
# seed, refused volumes, Redis roles, quorum and failover, Memcached's arguments. Prints the times it saw.
#
#   assets/images/test.sh [mariadb] [redis] [memcached]
#
# Touches only objects named lyandev-itest-*, and removes them. KEEP=1 leaves them for looking at.
set -Eeuo pipefail
trap 'printf "STOP  %s:%d: %s\n" "${BASH_SOURCE[0]##*/}" "$LINENO" "$BASH_COMMAND"' ERR

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=lyandev-itest
label=dev.lyandev.test=images
subnet=10.231.$((RANDOM % 200 + 20))
failures=0

remove_all() {
  local ids
  mapfile -t ids < <(docker ps -aq --filter "label=$label")
  if ((${#ids[@]})); then docker rm -f "${ids[@]}" >/dev/null; fi
  mapfile -t ids < <(docker volume ls -q --filter "label=$label")
  if ((${#ids[@]})); then docker volume rm -f "${ids[@]}" >/dev/null; fi
  docker network rm "$prefix" >/dev/null 2>&1 || true
}

section() { printf '\n== %s\n' "$*"; }

# check WHAT COMMAND...: report whether the command succeeds.
check() {
  local what=$1
  shift
  if "$@" >/tmp/lyandev-itest.out 2>&1; then
    printf 'ok    %s\n' "$what"
  else
    printf 'FAIL  %s (%s)\n' "$what" "$*"
    sed 's/^/      | /' /tmp/lyandev-itest.out | tail -n 15
    failures=$((failures + 1))
  fi
}

now_ms() {
  local t=${EPOCHREALTIME/[.,]/}
  echo $((t / 1000))
}

# wait_until SECONDS COMMAND...: poll it until it succeeds.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.02
  done
}

address() { docker inspect -f "{{(index .NetworkSettings.Networks \"$prefix\").IPAddress}}" "$prefix-$1"; }
answers() { (exec 3<>"/dev/tcp/$1/$2" && read -r -t 1 -n 1 -u 3) 2>/dev/null; }
volume() { docker volume create --label "$label" "$prefix-$1" >/dev/null; }
exit_code() { docker wait "$prefix-$1"; }
logs() { docker logs "$prefix-$1" 2>&1; }
logs_say() { logs "$1" | grep -F -- "$2" >/dev/null; }
remove() { docker rm -f "$prefix-$1" >/dev/null; }
not() { ! "$@"; }
is() { [[ $1 == "$2" ]] || { echo "got '$1', want '$2'"; return 1; }; }

# create NAME IP-SUFFIX DOCKER-ARGS...
create() {
  local name=$1 ip=$2
  shift 2
  docker create --name "$prefix-$name" --label "$label" --network "$prefix" --ip "$subnet.$ip" "$@" >/dev/null
}
# run NAME IP-SUFFIX DOCKER-ARGS...
run() {
  create "$@"
  docker start "$prefix-$1" >/dev/null
}

for part in mariadb redis memcached; do
  # shellcheck source=/dev/null
  if [[ -f $here/test-$part.sh ]]; then . "$here/test-$part.sh"; fi
done

main() {
  if (($# == 0)); then set -- mariadb redis memcached; fi
  exec 8>/tmp/lyandev-itest.lock
  flock 8
  remove_all
  if [[ -z ${KEEP:-} ]]; then trap remove_all EXIT; fi
  "$here/../../scripts/build-images" "$@"
  docker network create --label "$label" --subnet "$subnet.0/24" --ip-range "$subnet.128/25" "$prefix" >/dev/null
  local part
  for part in "$@"; do "test_$part"; done
  printf '\n'
  if ((failures)); then
    printf '%d checks failed\n' "$failures"
    exit 1
  fi
  printf 'all checks passed\n'
}

main "$@"
