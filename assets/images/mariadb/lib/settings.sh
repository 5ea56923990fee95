# shellcheck shell=bash disable=SC2034,SC2154 # variables shared with the other files
# Read the environment once into plain variables, with the variable names of Bitnami's and the official images.

say() { printf 'lyandev-mariadb: %s\n' "$*" >&2; }

# fail CODE MESSAGE...
fail() {
  local code=$1
  shift
  say "$*"
  exit "$code"
}

# setting NAME: reads into REPLY the value of NAME or the content of the file in NAME_FILE, also with MYSQL_ for MARIADB_.
setting() {
  local name file
  REPLY=
  for name in "$1" "MYSQL_${1#MARIADB_}"; do
    file=${name}_FILE
    if [[ -n ${!name:-} && -n ${!file:-} ]]; then fail 64 "both $name and $file are set: keep one of them"; fi
    if [[ -n ${!name:-} ]]; then
      REPLY=${!name}
      return
    fi
    if [[ -n ${!file:-} ]]; then
      [[ -r ${!file} ]] || fail 64 "cannot read ${!file}, named by $file"
      REPLY=$(<"${!file}")
      return
    fi
  done
}

# is_yes VALUE: succeeds for 1, y, yes, true and on.
is_yes() { [[ ${1,,} =~ ^(1|y|yes|true|on)$ ]]; }

# Sets variables named like the settings in lower case without prefix: root_password, user, database ...
read_settings() {
  local name
  for name in ROOT_PASSWORD ROOT_PASSWORD_HASH ROOT_HOST USER PASSWORD PASSWORD_HASH DATABASE USER_HOST \
    REPLICATION_MODE REPLICATION_USER REPLICATION_PASSWORD REPLICATION_PASSWORD_HASH \
    MASTER_HOST MASTER_PORT MASTER_PORT_NUMBER MASTER_ROOT_PASSWORD; do
    setting "MARIADB_$name"
    printf -v "${name,,}" %s "$REPLY"
  done
  : "${root_host:=%}" "${user_host:=%}" "${master_port:=${master_port_number:-3306}}"
  case ${replication_mode,,} in
  '') role=alone && if [[ -n $master_host ]]; then role=slave; fi ;;
  master) role=master ;;
  slave | replica) role=slave ;;
  *) fail 64 "MARIADB_REPLICATION_MODE=$replication_mode is neither master nor slave" ;;
  esac
  # A slave configured for Bitnami's image has only its master's root password; both use the same one.
  if [[ $role == slave ]]; then : "${root_password:=$master_root_password}"; fi
  operated=
  if is_yes "${LYANDEV_OPERATOR:-}"; then operated=1; fi
  empty_root=
  for name in MARIADB_ALLOW_EMPTY_ROOT_PASSWORD MYSQL_ALLOW_EMPTY_PASSWORD ALLOW_EMPTY_PASSWORD; do
    if is_yes "${!name:-}"; then empty_root=1; fi
  done
  health_user=${LYANDEV_HEALTH_USER:-lyandev_health}
  health_password=${LYANDEV_HEALTH_PASSWORD:-}
  choose_init_file
}

# The init file contains passwords: prefer memory, which is released with the container.
choose_init_file() {
  local dir
  for dir in /dev/shm /run/mysqld /tmp "$data"; do
    if [[ -w $dir ]]; then
      init_file=$dir/.lyandev-accounts.sql
      return
    fi
  done
  fail 77 "no directory to write the accounts to: /dev/shm, /run/mysqld, /tmp and $data are all read-only"
}

# A new database needs a root password, or the setting to have none.
check_first_start() {
  if [[ -n $root_password$root_password_hash$empty_root ]]; then return; fi
  if is_yes "${MARIADB_RANDOM_ROOT_PASSWORD:-${MYSQL_RANDOM_ROOT_PASSWORD:-}}"; then
    root_password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    say "GENERATED ROOT PASSWORD: $root_password"
    return
  fi
  fail 64 "a new database needs MARIADB_ROOT_PASSWORD (or MARIADB_ROOT_PASSWORD_FILE, MARIADB_ROOT_PASSWORD_HASH," \
    "MARIADB_RANDOM_ROOT_PASSWORD=1, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1)"
}
