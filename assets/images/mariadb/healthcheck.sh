#!/usr/bin/env bash
# Is the server well, seen from inside? Takes the options of the official image's script of this name:
#
#   healthcheck.sh [--connect] [--innodb_initialized] [--replication_io] [--replication_sql] [--replication_seconds_behind_master=N]
#
# Exit 0 if all that was asked for holds. Needs no password: the server's own user is let in over the socket.
set -euo pipefail

ask() {
  local command=(mariadb --user=mysql --batch --connect-timeout=1 -e "$1")
  if ((EUID == 0)); then command=(setpriv --reuid mysql --regid mysql --init-groups "${command[@]}"); fi
  "${command[@]}"
}

# field NAME: of the slave's status.
field() { ask 'SHOW SLAVE STATUS\G' | sed -n "s/^ *$1: //p"; }

if (($# == 0)); then set -- --connect; fi
for check in "$@"; do
  case $check in
  # Over TCP: the socket answers earlier than the port does.
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
