#!/usr/bin/env bash
# Start MariaDB: create or check the volume, write the accounts, exec the server.
#
# Exit codes: 64 invalid settings, 77 the volume is not writable, 78 unexpected volume. A retry does not help.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

# As PID 1, a shell ignores SIGTERM without a trap. The server gets the default action again.
trap "exit 143" TERM INT

lib=${LYANDEV_LIB:-/usr/local/lib/lyandev}
share=/usr/share/lyandev
data=${MARIADB_DATA_DIR:-/data/mariadb}
data=${data%/}

# shellcheck source=lib/settings.sh
. "$lib/settings.sh"
# shellcheck source=lib/volume.sh
. "$lib/volume.sh"
# shellcheck source=lib/accounts.sh
. "$lib/accounts.sh"
# shellcheck source=lib/setup.sh
. "$lib/setup.sh"

# As root: change the owner of the volume to the server's user and continue as that user.
drop_root() {
  mkdir -p "$data"
  if [[ $(stat -c %u "$data") != "$(id -u mysql)" || -n $(find "$data" -maxdepth 1 ! -user mysql -print -quit) ]]; then
    find "$data" ! -user mysql -exec chown -h mysql:mysql {} +
  fi
  # stdout and stderr may belong to root; a server that is configured to log to them by name must be able to open them.
  chown mysql /proc/self/fd/1 /proc/self/fd/2 2>/dev/null || true
  exec setpriv --reuid mysql --regid mysql --init-groups "$0" "$@"
}

# The user's configuration may place the socket, tmpdir or logs in a missing directory, which would make the server exit.
make_configured_dirs() {
  local option value
  while IFS='=' read -r option value; do
    case ${option//_/-} in
    --tmpdir | --innodb-tmpdir) mkdir -p "$value" ;;
    --socket | --pid-file | --log-error | --slow-query-log-file | --general-log-file)
      if [[ $value == /* ]]; then mkdir -p "${value%/*}"; fi
      ;;
    esac
  done < <(my_print_defaults "${config_args[@]}" mysqld server mariadb mariadbd client)
}

# Fills server_args with the image's fixed settings, then those of the environment. The caller's arguments follow and take
# precedence.
compose_server_args() {
  # basedir and log-error are set here because manifests for other images set them to paths of those images: the server would
  # not find its messages and would not write to the container's log.
  server_args=(
    "${config_args[@]}" --basedir=/usr --datadir="$data" --skip-log-error
    --log-bin=binlog --server-id="$server_id" --read-only=1
  )
  local name option
  for name in CHARACTER_SET:character-set-server COLLATE:collation-server SQL_MODE:sql-mode BIND_ADDRESS:bind-address \
    PORT_NUMBER:port; do
    option=${name#*:}
    setting "MARIADB_${name%%:*}"
    if [[ -n $REPLY ]]; then server_args+=("--$option=$REPLY"); fi
  done
  setting MARIADB_COLLATE
  if [[ $REPLY == utf8mb4_* ]]; then server_args+=("--character-set-collations=utf8mb4=$REPLY"); fi
  local flags
  read -r -a flags <<<"${MARIADB_EXTRA_FLAGS:-}"
  server_args+=("${flags[@]}")
}

main() {
  if (($# == 0)) || [[ $1 == -* ]]; then set -- mariadbd "$@"; fi
  case ${1##*/} in
  mariadbd | mysqld) shift ;;
  *) exec "$@" ;;
  esac
  case " $* " in
  *' --help '* | *' --version '* | *' -V '*) exec mariadbd "$@" ;;
  esac
  if ((EUID == 0)); then drop_root mariadbd "$@"; fi

  config_args=()
  if [[ -r /opt/bitnami/mariadb/conf/my_custom.cnf ]]; then
    config_args=(--defaults-extra-file=/opt/bitnami/mariadb/conf/my_custom.cnf)
  fi
  read_settings
  check_volume
  make_configured_dirs
  if [[ $volume_state == empty ]]; then
    check_first_start
    make_volume "$@"
  fi
  read_server_id
  compose_server_args
  if [[ $volume_state == old ]]; then upgrade_volume "$@"; fi
  write_identity
  write_init_file "$init_file" "$data"
  exec mariadbd "${server_args[@]}" --init-file="$init_file" "$@"
}

main "$@"
