# shellcheck shell=bash disable=SC2154,SC2317,SC2016 # sourced by test.sh, which has the functions and variables
# MariaDB's part of test.sh.

maria() { # NAME ROLE IP DOCKER-ARGS...
  local name=$1 role=$2 ip=$3
  shift 3
  create "$name" "$ip" --user 1001:1001 -v "$prefix-$name:/data/mariadb" -e LYANDEV_OPERATOR=1 \
    -e MARIADB_REPLICATION_MODE="$role" -e MARIADB_ROOT_PASSWORD=secret -e MARIADB_REPLICATION_USER=repl \
    -e MARIADB_REPLICATION_PASSWORD=replpass -e LYANDEV_CLUSTER=itest -e LYANDEV_HEALTH_PASSWORD=hp "$@"
}
sql() { docker exec -e MYSQL_PWD=secret "$prefix-$1" mariadb -uroot -N -e "$2"; }
greeting() { # NAME IP: start, wait for the port to greet, print the milliseconds
  local from
  from=$(now_ms)
  docker start "$prefix-$1" >/dev/null
  wait_until 30 answers "$subnet.$2" 3306 || return 1
  echo $(($(now_ms) - from))
}
cold_starts() {
  local i times=()
  for i in 1 2 3; do
    volume "cold$i"
    maria "cold$i" master 40 lyandev/mariadb:dev
    times+=("$(greeting "cold$i" 40)")
    docker kill "$prefix-cold$i" >/dev/null
    times+=("kill-9:$(greeting "cold$i" 40)")
    docker stop "$prefix-cold$i" >/dev/null
    times+=("warm:$(greeting "cold$i" 40)")
    remove "cold$i"
  done
  printf 'time  first start, after kill -9, after stop, in ms to the greeting (docker start included): %s\n' "${times[*]}"
}

replication_from_one_seed() {
  local from
  volume m && volume s
  maria m master 10 -e MARIADB_USER=app -e MARIADB_PASSWORD=apppass -e MARIADB_DATABASE=my_app lyandev/mariadb:dev
  maria s slave 11 -e MARIADB_MASTER_HOST="$subnet.10" lyandev/mariadb:dev
  from=$(now_ms)
  docker start "$prefix-m" "$prefix-s" >/dev/null
  wait_until 30 answers "$subnet.10" 3306
  wait_until 30 answers "$subnet.11" 3306
  check 'under an operator a master starts read-only' is "$(sql m 'SELECT @@read_only')" 1
  sql m 'SET GLOBAL read_only=0'
  sql s "CHANGE MASTER TO MASTER_HOST='$subnet.10', MASTER_USER='repl', MASTER_PASSWORD='replpass', MASTER_CONNECT_RETRY=1,
    MASTER_USE_GTID=slave_pos; START SLAVE"
  slave_runs() { docker exec -e MYSQL_PWD=secret "$prefix-s" mariadb -uroot -e 'SHOW SLAVE STATUS\G' | grep -c '_Running: Yes' | grep -qx 2; }
  check 'a slave from the same seed attaches by GTID' wait_until 10 slave_runs
  printf 'time  master and slave from nothing to replicating: %d ms\n' $(($(now_ms) - from))
  sql m 'CREATE TABLE my_app.t (n INT PRIMARY KEY); INSERT INTO my_app.t VALUES (1),(2)'
  has_rows() { is "$(sql "$1" 'SELECT COUNT(*) FROM my_app.t')" "$2"; }
  check 'database, table and rows reach it' wait_until 5 has_rows s 2
  check 'and so does the application user' docker exec "$prefix-s" mariadb -h127.0.0.1 -uapp -papppass -e 'SELECT 1' my_app
  check 'which may not write on a slave' not docker exec "$prefix-s" mariadb -h127.0.0.1 -uapp -papppass -e \
    'INSERT INTO t VALUES (9)' my_app
  check 'two volumes have two server ids' not is "$(sql m 'SELECT @@server_id')" "$(sql s 'SELECT @@server_id')"
  check 'the health account sees replication' docker exec -e MYSQL_PWD=hp "$prefix-s" mariadb -h127.0.0.1 -ulyandev_health \
    -e 'SHOW ALL SLAVES STATUS'
  check 'healthcheck.sh as of the official image' docker exec "$prefix-s" healthcheck.sh --connect --innodb_initialized \
    --replication_io --replication_sql
  check 'healthcheck.sh as root' docker exec -u 0 "$prefix-m" healthcheck.sh --connect --innodb_initialized
}

restarts_keep_data() {
  local id
  id=$(sql m 'SELECT @@server_id')
  docker kill "$prefix-m" >/dev/null
  greeting m 10 >/dev/null
  check 'kill -9 keeps the rows' has_rows m 2
  check 'the server id stays' is "$(sql m 'SELECT @@server_id')" "$id"
  check 'a restarted master is read-only again' is "$(sql m 'SELECT @@read_only')" 1
  check 'mysqladmin status over the socket' docker exec "$prefix-m" sh -c 'exec mysqladmin status -uroot -p$MARIADB_ROOT_PASSWORD'
  check 'mariadb-admin too' docker exec "$prefix-m" sh -c 'exec mariadb-admin status -uroot -p$MARIADB_ROOT_PASSWORD'
  check 'with a wrong password it fails' not docker exec "$prefix-m" mysqladmin status -uroot -pwrong
  sql m 'SET GLOBAL read_only=0; INSERT INTO my_app.t VALUES (3)'
  check 'replication goes on by itself' wait_until 10 has_rows s 3
  local from
  from=$(now_ms)
  docker stop "$prefix-m" >/dev/null
  printf 'time  docker stop: %d ms\n' $(($(now_ms) - from))
  check 'SIGTERM ends it with 0' is "$(docker inspect -f '{{.State.ExitCode}}' "$prefix-m")" 0
}

in_volume() { docker run --rm --label "$label" -u 0 -v "$prefix-$1:/v" --entrypoint bash lyandev/mariadb:dev -c "cd /v; $2"; }

# refused NAME WORDS DOCKER-ARGS...: that volume is not started on; one line says why.
refused() {
  local name=$1 words=$2
  shift 2
  docker rm -f "$prefix-$name" >/dev/null 2>&1 || true
  maria "$name" master 12 "$@" lyandev/mariadb:dev
  docker start "$prefix-$name" >/dev/null
  is "$(exit_code "$name")" 78 && logs_say "$name" "$words" && is "$(logs "$name" | wc -l)" 1
}

volumes_are_checked() {
  remove m
  check 'another cluster'\''s volume is refused' refused m 'belongs to itest' -e LYANDEV_CLUSTER=other
  check 'its own is not' volume_opens m
  in_volume m 'sed -i s/version=.*/version=99.1/ .lyandev-identity'
  check 'a newer version'\''s volume is refused' refused m 'written by MariaDB 99.1'
  in_volume m 'rm -rf mysql'
  check 'a volume that lost its database is refused' refused m 'its database is gone'
  in_volume m 'rm -rf ./* .[!.]*'
  check 'an emptied volume is refused' refused m 'its database is gone' -e LYANDEV_VOLUME_INITIALIZED=itest
  in_volume m 'touch appendonly.aof'
  check 'a volume of something else is refused' refused m 'no MariaDB database'
  in_volume m 'rm -f appendonly.aof; mkdir lost+found tmp; cp -r /usr/share/lyandev/seed .seed.ready; mv .seed.ready/ibdata1 .; chown -R 1001:1001 .'
  check 'an interrupted first start is finished' volume_opens m
  check 'tmp and lost+found are no databases' not grep -E 'tmp|lost' <(sql m 'SHOW DATABASES')
}

volume_opens() {
  docker rm -f "$prefix-$1" >/dev/null 2>&1 || true
  maria "$1" master 12 lyandev/mariadb:dev
  greeting "$1" 12
}

runs_alone() {
  volume alone && volume scripts
  run alone 20 -v "$prefix-alone:/data/mariadb" -e MYSQL_ROOT_PASSWORD=secret -e MYSQL_DATABASE=d -e MYSQL_USER=u \
    -e MYSQL_PASSWORD="it's" lyandev/mariadb:dev --max-connections=77
  wait_until 30 answers "$subnet.20" 3306
  check 'started by root it runs as mysql' is "$(docker exec "$prefix-alone" stat -c %U /proc/1)" mysql
  check 'alone it can be written, with the official names' docker exec "$prefix-alone" \
    mariadb -h127.0.0.1 -uu -p"it's" d -e 'CREATE TABLE t (n INT)'
  check 'arguments reach the server' is "$(sql alone 'SELECT @@max_connections')" 77
  remove alone
  run alone 20 -v "$prefix-alone:/data/mariadb" -e MARIADB_ROOT_PASSWORD=secret \
    -v "$here/testdata/mariadb/foreign-my.cnf:/etc/mysql/conf.d/my.cnf:ro" lyandev/mariadb:dev
  wait_until 30 answers "$subnet.20" 3306
  check 'a my.cnf made for another image works' sql alone 'SELECT 1'
  check 'and is read' is "$(sql alone 'SELECT @@character_set_server')" utf8mb3
  check 'and the log is still the container'\''s' logs_say alone 'ready for connections'
  run scripts 21 --user 1001 -v "$prefix-scripts:/data/mariadb" -e MARIADB_ROOT_PASSWORD=secret -e MARIADB_DATABASE=d \
    -v "$here/testdata/mariadb/initdb:/docker-entrypoint-initdb.d:ro" lyandev/mariadb:dev
  wait_until 30 answers "$subnet.21" 3306
  check 'scripts of /docker-entrypoint-initdb.d have run' is "$(sql scripts 'SELECT GROUP_CONCAT(n ORDER BY n) FROM d.made')" 1,2,3
  run noroot 22 --user 1001 lyandev/mariadb:dev
  check 'without a root password it says what is missing' is "$(exit_code noroot)" 64
  check 'any other command is just run' is "$(docker run --rm --label "$label" lyandev/mariadb:dev echo hi)" hi
}

upgrade_from_older() {
  in_volume scripts 'sed -i s/version=.*/version=10.11/ .lyandev-identity'
  docker restart "$prefix-scripts" >/dev/null
  wait_until 30 answers "$subnet.21" 3306
  check 'an older volume is upgraded' logs_say scripts 'upgrading the volume from MariaDB 10.11'
  check 'and says so in its identity' grep -qx version=11.8 <(in_volume scripts 'cat .lyandev-identity')
  check 'and keeps its rows' is "$(sql scripts 'SELECT COUNT(*) FROM d.made')" 3
}

slave_alone() {
  volume lm && volume ls
  run lm 30 -v "$prefix-lm:/data/mariadb" -e MARIADB_REPLICATION_MODE=master -e MARIADB_ROOT_PASSWORD=secret \
    -e MARIADB_REPLICATION_USER=repl -e MARIADB_REPLICATION_PASSWORD=rp -e MARIADB_DATABASE=d lyandev/mariadb:dev
  run ls 31 -v "$prefix-ls:/data/mariadb" -e MARIADB_REPLICATION_MODE=slave -e MARIADB_MASTER_ROOT_PASSWORD=secret \
    -e MARIADB_MASTER_HOST="$subnet.30" -e MARIADB_MASTER_PORT_NUMBER=3306 -e MARIADB_REPLICATION_USER=repl \
    -e MARIADB_REPLICATION_PASSWORD=rp lyandev/mariadb:dev
  wait_until 30 answers "$subnet.30" 3306
  wait_until 30 answers "$subnet.31" 3306
  check 'without an operator a slave attaches itself' wait_until 15 sql ls 'USE d'
}

test_mariadb() {
  section MariaDB
  cold_starts
  replication_from_one_seed
  restarts_keep_data
  volumes_are_checked
  runs_alone
  upgrade_from_older
  slave_alone
}
