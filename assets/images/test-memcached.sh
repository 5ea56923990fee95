# shellcheck shell=bash disable=SC2154,SC2317 # sourced by test.sh, which has the functions and variables
# Memcached's part of test.sh.

# talk IP REQUEST: the first lines of the answer, up to END, OK or a version.
talk() {
  local line
  exec 4<>"/dev/tcp/$1/11211" || return 1
  printf '%s\r\n' "$2" >&4
  while read -r -t 1 -u 4 line; do
    line=${line%$'\r'}
    printf '%s\n' "$line"
    case $line in END | OK | STORED | ERROR | VERSION* | SERVER_ERROR* | CLIENT_ERROR*) break ;; esac
  done
  exec 4>&-
}
version_answers() { talk "$1" version 2>/dev/null | grep '^VERSION'; }
setting_is() { talk "$1" 'stats settings' | grep -x "STAT $2 $3"; }

# stores IP BYTES: is an item of that size taken?
stores() {
  exec 4<>"/dev/tcp/$1/11211"
  { printf 'set big 0 0 %d\r\n' "$2" && head -c "$2" /dev/zero && printf '\r\n'; } >&4
  local line
  read -r -t 5 -u 4 line
  exec 4>&-
  [[ $line == STORED* ]]
}

test_memcached() {
  section Memcached
  local times=() i from
  for i in 1 2 3; do
    create "c$i" 80 lyandev/memcached:dev
    from=$(now_ms)
    docker start "$prefix-c$i" >/dev/null
    wait_until 10 version_answers "$subnet.80"
    times+=($(($(now_ms) - from)))
    if ((i < 3)); then remove "c$i"; fi
  done
  printf 'time  docker start to VERSION, in ms: %s\n' "${times[*]}"
  check 'items of 20m by default' setting_is "$subnet.80" item_size_max 20971520
  check 'one of 20 MB is stored' stores "$subnet.80" 20900000
  check 'it does not run as root' is "$(docker exec "$prefix-c3" stat -c %u /proc/1)" 1001
  from=$(now_ms)
  docker stop "$prefix-c3" >/dev/null
  printf 'time  docker stop: %d ms\n' $(($(now_ms) - from))
  check 'SIGTERM ends it with 0' is "$(docker inspect -f '{{.State.ExitCode}}' "$prefix-c3")" 0
  run cargs 81 --user 0 lyandev/memcached:dev memcached -m 128 -I 2m
  wait_until 10 version_answers "$subnet.81"
  check 'arguments pass through' setting_is "$subnet.81" item_size_max 2097152
  check 'as root it becomes memcache' is "$(docker exec "$prefix-cargs" stat -c %U /proc/1)" memcache
  run cbare 82 --user 1001 --entrypoint memcached lyandev/memcached:dev -o modern -v -I 20m
  check 'a command in place of the entry point works as uid 1001' wait_until 10 version_answers "$subnet.82"
  run cenv 83 -e MEMCACHED_CACHE_SIZE=100 lyandev/memcached:dev
  wait_until 10 version_answers "$subnet.83"
  check 'MEMCACHED_CACHE_SIZE holds' setting_is "$subnet.83" maxbytes $((100 * 1024 * 1024))
}
