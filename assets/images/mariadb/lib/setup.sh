# shellcheck shell=bash disable=SC2034,SC2154 # variables shared with the other files
# Tasks that need a running server before the actual one starts: scripts of the first start, and the upgrade of an old volume.
# Both use a server without network on a separate socket, so that probes do not mistake it for the actual one.

setup_socket=/run/mysqld/setup.sock

# start_setup_server DATADIR ARGS...: starts the server and returns when it answers.
start_setup_server() {
  local dir=$1 waited=0
  shift
  [[ -w ${setup_socket%/*} ]] || setup_socket=/tmp/lyandev-setup.sock
  mariadbd "${config_args[@]}" --basedir=/usr --datadir="$dir" --skip-log-error --skip-networking \
    --socket="$setup_socket" --pid-file="$setup_socket.pid" --skip-slave-start --read-only=0 "$@" &
  setup_pid=$!
  export MYSQL_UNIX_PORT=$setup_socket
  until mariadb-admin --no-defaults --socket="$setup_socket" -umysql ping 2>&1 | grep -qE 'alive|denied'; do
    kill -0 "$setup_pid" 2>/dev/null || fail 1 "the server for the first set-up did not start: see the lines above"
    ((++waited < 2400)) || fail 1 "the server for the first set-up did not answer within 120 s"
    sleep 0.05
  done
}

stop_setup_server() {
  kill "$setup_pid"
  wait "$setup_pid" || fail 1 "the server for the first set-up did not stop cleanly (exit $?)"
  unset MYSQL_UNIX_PORT
}

have_init_scripts() { compgen -G '/docker-entrypoint-initdb.d/*' >/dev/null; }

# Runs SQL from stdin as root, in the application's database if there is one.
run_sql() {
  MYSQL_PWD=$root_password mariadb --no-defaults --socket="$setup_socket" --disable-ssl-verify-server-cert -uroot \
    --default-character-set=utf8mb4 --database="$database"
}

# run_init_scripts SEED ARGS...: runs the scripts once, in the order of their names, before the seed is moved into place: if one
# fails, the volume stays empty and the next start tries again.
run_init_scripts() {
  local seed=$1 script
  shift
  if [[ $role == slave ]]; then
    say "skipping /docker-entrypoint-initdb.d: this is a slave, the master runs the scripts"
    return
  fi
  if [[ -n $root_password_hash ]]; then
    fail 64 "scripts in /docker-entrypoint-initdb.d need MARIADB_ROOT_PASSWORD: a hash does not let us in"
  fi
  local data=$seed
  read_server_id
  write_init_file "$init_file" "$seed"
  start_setup_server "$seed" --log-bin=binlog --server-id="$server_id" --init-file="$init_file" "$@"
  for script in /docker-entrypoint-initdb.d/*; do
    say "running $script"
    case $script in
    *.sh)
      if [[ -x $script ]]; then "$script"; else
        # shellcheck disable=SC1090
        . "$script"
      fi
      ;;
    *.sql) run_sql <"$script" ;;
    *.sql.gz) gzip -dc "$script" | run_sql ;;
    *.sql.xz) xz -dc "$script" | run_sql ;;
    *.sql.zst) zstd -dcq "$script" | run_sql ;;
    *) say "ignoring $script: neither .sh nor .sql" ;;
    esac || fail 1 "$script failed; the database was not created"
  done
  stop_setup_server
}

# Upgrades the system tables of an older version. The server upgrades the data files itself when it opens them.
upgrade_volume() {
  if [[ ${MARIADB_AUTO_UPGRADE:-1} =~ ^(0|no|false|off)$ ]]; then
    say "MARIADB_AUTO_UPGRADE=$MARIADB_AUTO_UPGRADE: the system tables are kept at MariaDB $old_version"
    return
  fi
  say "upgrading the volume from MariaDB $old_version to $version; this cannot be undone"
  start_setup_server "$data" --skip-log-bin --skip-grant-tables
  mariadb-upgrade --no-defaults --socket="$setup_socket" --upgrade-system-tables --silent >/dev/null ||
    fail 1 "mariadb-upgrade from $old_version to $version failed: see the lines above"
  stop_setup_server
  upgraded=1
}
