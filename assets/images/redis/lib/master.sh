# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other files
# Who is master? First the sentinels, who know about failovers, then what we were told. Always an address, never a name:
# sentinels resolve names while they serve, and a slow resolver would stop the failover.

# resolve NAME: its IPv4 addresses, one a line. An address is its own answer.
resolve() {
  if [[ $1 =~ ^[0-9.]+$ || $1 == *:*:* ]]; then
    printf '%s\n' "$1"
  else
    timeout 2 getent ahostsv4 "$1" | awk '$2 == "STREAM" {print $1}'
  fi
}

# Addresses of the sentinels as ip:port, into sentinels; ourselves left out.
find_sentinels() {
  local entry host ip
  local listed=${LYANDEV_SENTINELS:-} named=${REDIS_SENTINEL_HOST:-${REDIS_SENTINEL_SERVICE_HOST:-}}
  sentinels=()
  for entry in ${listed//,/ } ${named//,/ }; do
    host=${entry%:*}
    if [[ $entry == "$host" ]]; then entry+=:${REDIS_SENTINEL_SERVICE_PORT:-$sentinel_port}; fi
    for ip in $(resolve "$host"); do sentinels+=("$ip:${entry##*:}"); done
  done
}

# ask_sentinel IP:PORT: "ip port" of the master it knows, or nothing. Connecting within a container network takes no time at
# all, so an absent sentinel is given up early; a present one has a second to answer.
ask_sentinel() {
  REDISCLI_AUTH=$sentinel_password timeout 1 redis-cli -h "${1%:*}" -p "${1##*:}" -t 0.3 --raw \
    SENTINEL GET-MASTER-ADDR-BY-NAME "$group" 2>/dev/null | paste -sd ' '
}

# The master that enough of the sentinels agree on, as "ip port" in agreed; else empty. All are asked at once.
ask_sentinels() {
  local entry answer need=$quorum
  declare -A votes=()
  agreed=
  find_sentinels
  if ((${#sentinels[@]} < need)); then need=${#sentinels[@]}; fi
  if ((need == 0)); then return; fi
  # All answers are waited for: a child left behind would become a zombie of the server's.
  while read -r answer; do
    [[ $answer =~ ^[0-9a-fA-F.:]+\ [0-9]+$ ]] || continue
    votes[$answer]=$((${votes[$answer]:-0} + 1))
    if ((votes[$answer] >= need)); then agreed=$answer; fi
  done <<<"$(
    for entry in "${sentinels[@]}"; do ask_sentinel "$entry" & done
    wait
  )"
}

# The master that the settings name, as "ip port" in told; else empty.
told_master() {
  local address=${LYANDEV_REDIS_MASTER_ADDR:-} ip
  told=
  if [[ -n $address ]]; then
    if [[ $address != *:* ]]; then address+=:$master_port; fi
    told="${address%:*} ${address##*:}"
  elif [[ -n $master_host ]]; then
    ip=$(resolve "$master_host" | head -n 1 || true)
    if [[ -n $ip ]]; then told="$ip $master_port"; fi
  fi
}

# Sets master to "ip port", trying for a while: names appear when their container does.
find_master() {
  local deadline=$((SECONDS + patience)) said=
  while :; do
    ask_sentinels
    if [[ -z $agreed ]]; then told_master; fi
    master=${agreed:-$told}
    if [[ -n $master ]]; then return; fi
    # A sentinel beside a server in one pod: the example's first sentinel learns of its master so.
    if [[ $1 == sentinel && -n $(REDISCLI_AUTH=$password redis-cli -p "$port" -t 0.3 ping 2>/dev/null) ]]; then
      master="$own_ip $port"
      return
    fi
    ((SECONDS < deadline)) || fail 75 "cannot find the master within $patience s: no sentinels agree on one," \
      "and ${master_host:-REDIS_MASTER_HOST (not set)} has no address"
    if [[ -z $said ]]; then say "waiting for a master (${master_host:-the sentinels} to answer) ..." && said=1; fi
    sleep 0.2
  done
}
