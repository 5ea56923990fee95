#!/usr/bin/env bash
# Start Redis as server or sentinel: check the volume, determine the master, write the configuration, exec the process.
#
# Exit codes: 64 invalid settings, 77 the volume is not writable, 78 unexpected volume; a retry does not help. 75 the master
# cannot be determined yet; a retry may help.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

# As PID 1, a shell ignores SIGTERM without a trap. The server gets the default action again.
trap "exit 143" TERM INT

lib=${LYANDEV_LIB:-/usr/local/lib/lyandev}

# shellcheck source=lib/settings.sh
. "$lib/settings.sh"
# shellcheck source=lib/volume.sh
. "$lib/volume.sh"
# shellcheck source=lib/config.sh
. "$lib/config.sh"
# shellcheck source=lib/master.sh
. "$lib/master.sh"
# shellcheck source=lib/server.sh
. "$lib/server.sh"
# shellcheck source=lib/sentinel.sh
. "$lib/sentinel.sh"

# As root: change the owner of the volume to the server's user and continue as that user.
drop_root() {
  mkdir -p "$data"
  find "$data" ! -user redis -exec chown -h redis:redis {} +
  exec setpriv --reuid redis --regid redis --init-groups "$0" "$@"
}

main() {
  local mode=server
  if is_yes "${SENTINEL:-}" || [[ ${REDIS_MODE:-} == sentinel ]]; then mode=sentinel; fi
  if (($# == 0)) || [[ $1 == -* ]]; then set -- redis-server "$@"; fi
  case ${1##*/} in
  redis-server) ;;
  redis-sentinel) mode=sentinel ;;
  *) exec "$@" ;;
  esac
  case " $* " in
  *' --help '* | *' -h '* | *' --version '* | *' -v '*) exec "$@" ;;
  *' --sentinel '*) mode=sentinel ;;
  esac
  read_settings
  if ((EUID == 0)); then drop_root "$@"; fi
  shift
  "start_$mode" "$@"
}

main "$@"
