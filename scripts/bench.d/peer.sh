# The peer for measurements of stack starts: Docker Compose with the same file and the same images. Source it with project,
# profile, with and compose set.
compose_version=v5.5.1

# Use a released plugin if there is one, else build one, which takes a few minutes once.
find_compose() {
  if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
  else
    local dir=$BENCH_CACHE/compose
    if [[ ! -x $dir/docker-compose ]]; then
      echo "building Docker Compose $compose_version once ..." >&2
      mkdir -p "$dir"
      printf 'module bench/compose\n\ngo 1.26\n' >"$dir/go.mod"
      (cd "$dir" && go get "github.com/docker/compose/v5/cmd@$compose_version" &&
        CGO_ENABLED=0 go build -o docker-compose github.com/docker/compose/v5/cmd) >"$dir/log" 2>&1 || {
        tail -n 5 "$dir/log" >&2
        return 1
      }
    fi
    compose=("$dir/docker-compose")
  fi
}

override() {
  cat <<'YAML'
x-check: &check {interval: 1s, timeout: 2s, retries: 60}
x-app: &app
  DB_URL: mysql://lyanna:lyanna@lyanna-mariadb:3306/test?charset=utf8mb4
  REDIS_URL: redis://redis-master:6379/0
  MEMCACHED_HOST: lyanna-memcached
services:
  lyanna-mariadb-master:
    environment: {LYANDEV_OPERATOR: "", MARIADB_DATABASE: test, MARIADB_REPLICATION_PASSWORD: lyanna}
    networks: {default: {aliases: [lyanna-mariadb]}}
    healthcheck: {<<: *check, test: [CMD-SHELL, 'mysqladmin status -uroot -p"$$MARIADB_ROOT_PASSWORD"']}
  lyanna-memcached:
    healthcheck: {<<: *check, test: [CMD, bash, -c, 'exec 3<>/dev/tcp/127.0.0.1/11211']}
  redis-master:
    healthcheck: {<<: *check, test: [CMD-SHELL, 'test "$$(redis-cli ping)" = PONG']}
  lyanna-deployment:
    environment: *app
    healthcheck: {<<: *check, test: [CMD, python3, -c, 'import urllib.request as u; u.urlopen("http://127.0.0.1:8000/")']}
  lyanna-arq:
    environment: *app
YAML
  if [[ $1 == ha ]]; then
    cat <<'YAML'
  lyanna-mariadb-slave:
    environment: {LYANDEV_OPERATOR: "", MARIADB_MASTER_PORT: 3306, MARIADB_REPLICATION_PASSWORD: lyanna}
    healthcheck: {<<: *check, test: [CMD-SHELL, 'mysqladmin status -uroot -p"$$MARIADB_ROOT_PASSWORD"']}
  redis:
    healthcheck: {<<: *check, test: [CMD-SHELL, 'test "$$(redis-cli ping)" = PONG']}
  redis-master-sentinel:
    expose: !reset []
    healthcheck: {<<: *check, test: [CMD-SHELL, 'test "$$(redis-cli -p 26379 ping)" = PONG']}
  redis-sentinel:
    healthcheck: {<<: *check, test: [CMD-SHELL, 'test "$$(redis-cli -p 26379 ping)" = PONG']}
YAML
  fi
}

compose() {
  "${compose[@]}" -p "$project-peer" -f lyanna.dev.yaml -f "$BENCH_TMP/override-$profile.yaml" "${with[@]}" "$@"
}

# seconds CMD... prints how long CMD took.
seconds() {
  local began ended
  began=$(date +%s%N)
  if ! "$@" >"$BENCH_TMP/out" 2>&1; then
    tail -n 15 "$BENCH_TMP/out" >&2
    return 1
  fi
  ended=$(date +%s%N)
  awk -v d=$((ended - began)) 'BEGIN { printf "%.1f\n", d / 1e9 }'
}

best() { sort -n | head -n 1; }
