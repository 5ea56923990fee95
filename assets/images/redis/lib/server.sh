# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other files
# Configure the server. Its role is the line "replicaof" in redis.conf, which Redis rewrites at a failover. On the command line
# it would apply again at each restart and undo the failover.

# take_roles ARGS...: copies the arguments without --replicaof to server_args; its value is used like the environment's.
take_roles() {
  server_args=()
  while (($#)); do
    case $1 in
    --replicaof | --slaveof)
      local target=${2:-}
      shift $(($# > 1 ? 2 : 1))
      if [[ $target != *' '* && ${1:-} =~ ^[0-9]+$ ]]; then
        target+=" $1"
        shift
      fi
      say "using '$target' as the initial master only: a role on the command line would undo failovers"
      master_host=${target%% *}
      master_port=${target##* }
      wanted_role=replica
      ;;
    *)
      server_args+=("$1")
      shift
      ;;
    esac
  done
  # A configuration file given by the user is included, so that the role is not written to it.
  included=
  if ((${#server_args[@]})) && [[ ${server_args[0]} != -* ]]; then
    included=${server_args[0]}
    [[ -r $included ]] || fail 64 "cannot read the configuration file $included"
    server_args=("${server_args[@]:1}")
  fi
}

# Sets master to "ip port", or to nothing if this is the master.
decide_role() {
  local known=
  if [[ -e $conf ]]; then known=1; fi
  value_of "$conf" replicaof
  local stored=$REPLY
  ask_sentinels
  if [[ -n $agreed ]]; then
    master=$agreed
    if [[ $master != "$stored" ]] && ! is_own "${master% *}"; then say "the sentinels name $master as the master"; fi
  elif [[ -n $known ]]; then
    master=$stored
  elif [[ $wanted_role == master ]]; then
    master=
  elif [[ $wanted_role == replica || -n $master_host || -n ${LYANDEV_REDIS_MASTER_ADDR:-} ]] || ((${#sentinels[@]})); then
    find_master server
  else
    master=
  fi
  if [[ -n $master ]] && is_own "${master% *}" && [[ ${master##* } == "$port" ]]; then master=; fi
}

# Written once, to a new volume: settings that an operator or a user can change permanently.
first_conf() {
  local aof=yes
  if [[ ${REDIS_AOF_ENABLED:-yes} =~ ^(no|false|0|off)$ ]]; then aof=no; fi
  set_lines "$conf" $'appendonly\t'"$aof" $'appendfsync\teverysec' \
    $'repl-diskless-sync-delay\t0' $'repl-timeout\t10' $'repl-ping-replica-period\t2'
}

# Written at each start: the settings of the environment, and the role.
renew_conf() {
  local pass='' masterpass=''
  if [[ -n $password ]]; then quoted "$password" && pass=$REPLY; fi
  if [[ -n $master_password ]]; then quoted "$master_password" && masterpass=$REPLY; fi
  local lines=(
    $'include\t'"$included" $'dir\t'"$data" $'port\t'"$port" $'bind\t0.0.0.0' $'protected-mode\tno'
    $'replica-announce-ip\t'"$own_ip" $'requirepass\t'"$pass" $'masterauth\t'"$masterpass" $'replicaof\t'"$master" $'slaveof\t'
  )
  if [[ -n ${REDIS_MAXMEMORY:-} ]]; then lines+=($'maxmemory\t'"$REDIS_MAXMEMORY"); fi
  if [[ -n ${REDIS_MAXMEMORY_POLICY:-} ]]; then lines+=($'maxmemory-policy\t'"$REDIS_MAXMEMORY_POLICY"); fi
  set_lines "$conf" "${lines[@]}"
}

start_server() {
  local conf=$data/redis.conf flags
  take_roles "$@"
  check_volume redis
  decide_role
  if [[ -z $master ]]; then check_dataset master; else check_dataset replica; fi
  [[ -e $conf ]] || first_conf
  renew_conf
  write_identity redis
  read -r -a flags <<<"${REDIS_EXTRA_FLAGS:-}"
  exec redis-server "$conf" "${server_args[@]}" "${flags[@]}"
}
