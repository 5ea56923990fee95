# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other files
# Determine the master: first from the sentinels, which know about failovers, then from the settings. The result is an address,
# never a name: sentinels resolve names in their main loop, so a slow resolver would block the failover.

# resolve NAME: prints its IPv4 addresses, one per line. An address resolves to itself.
resolve() {
  if [[ $1 =~ ^[0-9.]+$ || $1 == *:*:* ]]; then
    printf '%s\n' "$1"
  else
    local ip type
    timeout 2 getent ahostsv4 "$1" | while read -r ip type _; do
      if [[ $type == STREAM ]]; then printf "%s\n" "$ip"; fi
    done
  fi
}

# Reads the addresses of the sentinels as ip:port into sentinels, without this one.
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

# ask_sentinel IP:PORT: prints "ip port" of the master it knows, or nothing. A connected sentinel has one second to answer. It runs as a
# child: a connection to an address that nobody has fails after some seconds only.
ask_sentinel() {
  local line ip='' port=''
  exec 3<>"/dev/tcp/${1%:*}/${1##*:}" || return
  if [[ -n $sentinel_password ]]; then
    local LC_ALL=C # lengths in bytes
    printf '*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n' "${#sentinel_password}" "$sentinel_password" >&3
    read -r -t 1 line <&3 && [[ $line == +OK* ]] || return
  fi
  printf 'SENTINEL GET-MASTER-ADDR-BY-NAME %s\r\n' "$group" >&3
  # *2, the length of the address, the address, the length of the port, the port
  read -r -t 1 line <&3 && [[ $line == '*2'* ]] && read -r line <&3 && read -r ip <&3 && read -r line <&3 && read -r port <&3 || return
  printf '%s %s\n' "${ip%$'\r'}" "${port%$'\r'}"
}

# Sets agreed to "ip port" of the master that enough sentinels agree on, else empty. All are queried in parallel, and it does not wait
# for more answers than it needs, nor for longer than 1.5 seconds.
ask_sentinels() {
  local entry answer answers asking=() need=$quorum left
  declare -A votes=()
  agreed=
  find_sentinels
  if ((${#sentinels[@]} < need)); then need=${#sentinels[@]}; fi
  if ((need == 0)); then return; fi
  exec {answers}<> <(:) # a pipe
  asking=("$!")
  for entry in "${sentinels[@]}"; do
    { ask_sentinel "$entry" 2>/dev/null || true; echo done; } >&"$answers" &
    asking+=("$!")
  done
  left=${#sentinels[@]}
  while [[ -z $agreed ]] && ((left > 0)) && read -r -t 1.5 -u "$answers" answer; do
    if [[ $answer == done ]]; then
      left=$((left - 1))
    elif [[ $answer =~ ^[0-9a-fA-F.:]+\ [0-9]+$ ]]; then
      votes[$answer]=$((${votes[$answer]:-0} + 1))
      if ((votes[$answer] >= need)); then agreed=$answer; fi
    fi
  done
  # A child that remained would become a zombie of the server.
  kill "${asking[@]}" 2>/dev/null || true
  wait "${asking[@]}" 2>/dev/null || true
  exec {answers}>&-
}

# Sets told to "ip port" of the master in the settings, else empty.
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

# Sets master to "ip port". Retries for some time, because names exist only once their container runs.
find_master() {
  local deadline=$((SECONDS + patience)) said=
  while :; do
    ask_sentinels
    if [[ -z $agreed ]]; then told_master; fi
    master=${agreed:-$told}
    if [[ -n $master ]]; then return; fi
    # A sentinel in the same pod as a server: the first sentinel of the Kubernetes example finds its master this way.
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
