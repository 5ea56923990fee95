# shellcheck shell=bash disable=SC2034 # variables are shared with the other files
# Read the environment once, with the variable names of Bitnami's images, the official image and the Kubernetes example.

say() { printf 'lyandev-redis: %s\n' "$*" >&2; }

# fail CODE MESSAGE...
fail() {
  local code=$1
  shift
  say "$*"
  exit "$code"
}

# is_yes VALUE: succeeds for 1, y, yes, true and on.
is_yes() { [[ ${1,,} =~ ^(1|y|yes|true|on)$ ]]; }

# secret NAME: reads the value of NAME, or the content of the file in NAME_FILE, into REPLY.
secret() {
  local file=${1}_FILE
  REPLY=${!1:-}
  if [[ -n $REPLY || -z ${!file:-} ]]; then return; fi
  [[ -r ${!file} ]] || fail 64 "cannot read ${!file}, named by $file"
  REPLY=$(<"${!file}")
}

# The data directory: as configured, else the volume of the Kubernetes example if mounted, else /data.
find_data() {
  data=${REDIS_DATA_DIR:-}
  if [[ -z $data && -d /redis-master-data ]]; then data=/redis-master-data; fi
  data=${data:-/data}
  data=${data%/}
}

read_settings() {
  find_data
  secret REDIS_PASSWORD && password=$REPLY
  secret REDIS_MASTER_PASSWORD && master_password=${REPLY:-$password}
  secret REDIS_SENTINEL_PASSWORD && sentinel_password=$REPLY
  port=${REDIS_PORT_NUMBER:-6379}
  sentinel_port=${REDIS_SENTINEL_PORT_NUMBER:-26379}
  group=${REDIS_MASTER_SET:-mymaster}
  quorum=${REDIS_SENTINEL_QUORUM:-2}
  down_after=${REDIS_SENTINEL_DOWN_AFTER_MS:-${REDIS_SENTINEL_DOWN_AFTER_MILLISECONDS:-5000}}
  failover_timeout=${REDIS_SENTINEL_FAILOVER_TIMEOUT_MS:-${REDIS_SENTINEL_FAILOVER_TIMEOUT:-10000}}
  master_host=${REDIS_MASTER_HOST:-}
  master_port=${REDIS_MASTER_PORT_NUMBER:-${REDIS_MASTER_PORT:-6379}}
  case ${REDIS_REPLICATION_MODE:-} in
  '') wanted_role= && if is_yes "${MASTER:-}"; then wanted_role=master; fi ;;
  master) wanted_role=master ;;
  slave | replica) wanted_role=replica ;;
  *) fail 64 "REDIS_REPLICATION_MODE=$REDIS_REPLICATION_MODE is neither master nor replica" ;;
  esac
  # Seconds to wait until a master can be determined.
  patience=${LYANDEV_REDIS_PATIENCE:-60}
  own_ip=${POD_IP:-${REDIS_REPLICA_IP:-}}
  if [[ -z $own_ip ]]; then
    own_ip=$(hostname -i 2>/dev/null || true)
    own_ip=${own_ip%% *}
  fi
}

# is_own ADDRESS: succeeds if it is an address of this container.
is_own() { [[ $1 == "$own_ip" || $1 == 127.* || " $(hostname -I 2>/dev/null || true) " == *" $1 "* ]]; }
