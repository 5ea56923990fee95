# shellcheck shell=bash disable=SC2154 # variables are shared with the other files
# The sentinel. It rewrites sentinel.conf by renaming a file beside it, so the file lives in the volume, never in a mount of
# its own, which would lose every failover.

# The stored master with today's quorum, or the master found now. Sentinels that lost their volume ask the others.
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
  # A configuration file of the user's own, as with the official image: it says everything itself.
  if [[ -n ${1:-} && $1 != -* ]]; then exec redis-sentinel "$@"; fi
  check_volume redis-sentinel
  monitor_line
  if [[ -n $password ]]; then quoted "$password" && pass=$REPLY; fi
  if [[ -n $sentinel_password ]]; then quoted "$sentinel_password" && own_pass=$REPLY; fi
  # The monitor line has to come before the others of its master, and set_lines keeps what it does not know above: what
  # sentinels found out about replicas and each other follows the monitor line, so that stays where it is.
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
