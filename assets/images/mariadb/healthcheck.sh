#!/usr/bin/env bash
# Check the server from inside the container. The options are those of the official image's script of the same name:
#
#   healthcheck.sh [--connect] [--innodb_initialized] [--replication_io] [--replication_sql] [--replication_seconds_behind_master=N]
#
# Exits with 0 if all checks pass. It needs no password: the server's own user can connect over the socket.
set -euo pipefail

ask() {
  local command=(mariadb --user=mysql --batch --connect-timeout=1 -e "$1")
  if ((EUID == 0)); then command=(setpriv --reuid mysql --regid mysql --init-groups "${command[@]}"); fi
  "${command[@]}"
}

# field NAME: prints a field of the slave status.
field() { ask 'SHOW SLAVE STATUS\G' | sed -n "s/^ *$1: //p"; }

if (($# == 0)); then set -- --connect; fi
for check in "$@"; do
  case $check in
  # Over TCP, because the socket answers before the port does.
  --connect) (exec 3<>/dev/tcp/127.0.0.1/"${MARIADB_PORT_NUMBER:-3306}" && read -r -t 1 -n 1 -u 3) 2>/dev/null ;;
  --innodb_initialized) ask "SELECT 1 FROM information_schema.ENGINES WHERE engine='InnoDB' AND support IN ('YES','DEFAULT')" | grep -q 1 ;;
  --replication_io) [[ $(field Slave_IO_Running) == Yes ]] ;;
  --replication_sql) [[ $(field Slave_SQL_Running) == Yes ]] ;;
  --replication) [[ $(field Slave_IO_Running) == Yes && $(field Slave_SQL_Running) == Yes ]] ;;
  --replication_seconds_behind_master=*)
    behind=$(field Seconds_Behind_Master)
    [[ $behind =~ ^[0-9]+$ ]] && ((behind <= ${check#*=}))
    ;;
  *)
    printf 'healthcheck.sh: unknown option %s\n' "$check" >&2
    exit 64
    ;;
  esac || exit 1
done
