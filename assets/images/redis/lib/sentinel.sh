# shellcheck shell=bash disable=SC2154 # variables are shared with the other files
# Configure the sentinel. It rewrites sentinel.conf by renaming a temporary file, so the file must be in the volume and not a
# mounted file, which could not be replaced.

# Use the stored master with the current quorum setting, else determine the master. Sentinels without stored state ask the others.
monitor_line() {
  value_of "$conf" "sentinel monitor $group"
  if [[ -n $REPLY ]]; then
    master=${REPLY% *}
  else
    find_master sentinel
  fi
}

start_sentinel() {
  local conf=$data/sentinel.conf pass='' own_pass='' prefix=sentinel
  # A configuration file given by the user, as with the official image, is used unchanged.
  if [[ -n ${1:-} && $1 != -* ]]; then exec redis-sentinel "$@"; fi
  check_volume redis-sentinel
  monitor_line
  if [[ -n $password ]]; then quoted "$password" && pass=$REPLY; fi
  if [[ -n $sentinel_password ]]; then quoted "$sentinel_password" && own_pass=$REPLY; fi
  # The monitor line must precede the other lines of its master. set_lines keeps unknown lines above the new ones, and lines
  # about known replicas and sentinels follow the monitor line, so an existing monitor line stays in its place.
  if [[ ! -e $conf ]]; then
    set_lines "$conf" "$prefix monitor $group"$'\t'"$master $quorum"
  else
    sed -i "s/^sentinel monitor $group .*/sentinel monitor $group $master $quorum/" "$conf"
  fi
  set_lines "$conf" $'port\t'"$sentinel_port" $'dir\t'"$data" $'bind\t0.0.0.0' $'protected-mode\tno' \
    $'requirepass\t'"$own_pass" \
    "$prefix announce-ip"$'\t'"$own_ip" "$prefix resolve-hostnames"$'\tno' \
    "$prefix auth-pass $group"$'\t'"$pass" "$prefix sentinel-pass"$'\t'"$own_pass" \
    "$prefix down-after-milliseconds $group"$'\t'"$down_after" \
    "$prefix failover-timeout $group"$'\t'"$failover_timeout" "$prefix parallel-syncs $group"$'\t1'
  write_identity redis-sentinel
  exec redis-sentinel "$conf"
}
