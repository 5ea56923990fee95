#!/usr/bin/env bash
# Start Redis as server or sentinel: check the volume, find out who is master, write the configuration, become the process.
#
# Exit codes of its own: 64 wrong settings, 77 the volume cannot be written, 78 the volume is not the one expected: these are
# final. 75 means that nobody could tell who is master yet: try again.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail

# As PID 1 a shell ignores SIGTERM unless it is told not to; the server itself gets the default back.
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

# As root: give the volume to the server's user and go on as that user.
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
