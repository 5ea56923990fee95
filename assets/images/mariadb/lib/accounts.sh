# shellcheck shell=bash disable=SC2034,SC2154 # variables shared with the other files
# Write the accounts as SQL that the server runs at every start before it opens its port. The statements are therefore idempotent
# and not replicated to slaves, which have their own accounts.

# quote VALUE: quotes it as an SQL string, into REPLY.
quote() {
  REPLY=${1//\\/\\\\}
  REPLY="'${REPLY//\'/\\\'}'"
}

# name VALUE: quotes it as an SQL identifier, into REPLY.
name() { REPLY="\`${1//\`/\`\`}\`"; }

# account USER HOST PASSWORD HASH: creates the account or sets its password. With an empty HASH, an empty PASSWORD is set too.
account() {
  local who
  quote "$1" && who=$REPLY
  quote "$2" && who+=@$REPLY
  quote "${4:-$3}"
  printf 'CREATE USER IF NOT EXISTS %s;\n' "$who"
  if [[ -n $4 ]]; then
    printf 'ALTER USER %s IDENTIFIED BY PASSWORD %s;\n' "$who" "$REPLY"
  else
    printf 'ALTER USER %s IDENTIFIED BY %s;\n' "$who" "$REPLY"
  fi
  REPLY=$who
}

root_sql() {
  if [[ -z $root_password$root_password_hash$empty_root ]]; then return; fi
  # More specific hosts take precedence over '%': with these accounts, root could not log in at 127.0.0.1.
  echo "DROP USER IF EXISTS root@'127.0.0.1', root@'::1', ''@'localhost';"
  local host
  for host in localhost "$root_host"; do
    account root "$host" "$root_password" "$root_password_hash"
    printf 'GRANT ALL PRIVILEGES ON *.* TO %s WITH GRANT OPTION;\n' "$REPLY"
  done
}

service_sql() {
  if [[ -n $health_password ]]; then
    account "$health_user" % "$health_password" ''
    printf 'GRANT REPLICA MONITOR, PROCESS ON *.* TO %s;\n' "$REPLY"
  fi
  # For healthcheck.sh: the server's own user, over the socket, without a password.
  echo "CREATE USER IF NOT EXISTS mysql@localhost IDENTIFIED VIA unix_socket;"
  echo "GRANT REPLICA MONITOR, PROCESS ON *.* TO mysql@localhost;"
  if [[ -n $replication_user && $replication_user != root ]]; then
    account "$replication_user" % "$replication_password" "$replication_password_hash"
    printf 'GRANT REPLICATION REPLICA ON *.* TO %s;\n' "$REPLY"
  fi
}

# A slave gets the application's database and user from its master, so the master logs them to the binlog at its first start,
# that is, if nothing was ever logged or replicated.
application_sql() {
  if [[ $role == slave ]]; then return; fi
  echo "SET SESSION sql_log_bin = (@@GLOBAL.gtid_binlog_pos = '' AND @@GLOBAL.gtid_slave_pos = '');"
  local database_name=
  if [[ -n $database ]]; then
    name "$database" && database_name=$REPLY
    printf 'CREATE DATABASE IF NOT EXISTS %s;\n' "$database_name"
  fi
  if [[ -n $user && $user != root ]]; then
    account "$user" "$user_host" "$password" "$password_hash"
    # In a grant, _ and % in a database name are wildcards.
    local pattern=${database_name//_/\\_}
    if [[ -n $database ]]; then printf 'GRANT ALL PRIVILEGES ON %s.* TO %s;\n' "${pattern//%/\\%}" "$REPLY"; fi
  fi
  echo 'SET SESSION sql_log_bin = 0;'
}

# Without an operator, the server itself attaches as a slave or opens as a master.
alone_sql() {
  if [[ -n $operated ]]; then return; fi
  if [[ $role != slave ]]; then
    echo 'SET GLOBAL read_only = 0;'
  elif [[ -n $master_host && ! -e $1/master.info ]]; then
    quote "$master_host"
    printf 'CHANGE MASTER TO MASTER_HOST=%s, MASTER_PORT=%d, ' "$REPLY" "$master_port"
    quote "$replication_user"
    printf 'MASTER_USER=%s, ' "$REPLY"
    quote "$replication_password"
    printf 'MASTER_PASSWORD=%s, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=2, ' "$REPLY"
    printf 'MASTER_USE_GTID=slave_pos;\nSTART SLAVE;\n'
  fi
}

# write_init_file FILE DATADIR
write_init_file() {
  (
    umask 077
    {
      echo "SET SESSION sql_mode = '';"
      echo 'SET SESSION sql_log_bin = 0;'
      root_sql
      service_sql
      application_sql
      alone_sql "$2"
    } >"$1"
  )
}
