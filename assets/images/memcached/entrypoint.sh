#!/bin/sh
# Exec memcached, or the given command. The environment variables of Bitnami's image are supported:
# MEMCACHED_CACHE_SIZE (MB), MEMCACHED_MAX_CONNECTIONS, MEMCACHED_THREADS, MEMCACHED_MAX_ITEM_SIZE (bytes),
# MEMCACHED_PORT_NUMBER, MEMCACHED_EXTRA_FLAGS. Command-line arguments follow them and take precedence.
set -eu

if [ $# -eq 0 ]; then set -- memcached; fi
case $1 in
-*) set -- memcached "$@" ;;
esac
if [ "${1##*/}" != memcached ]; then exec "$@"; fi
shift

# shellcheck disable=SC2086 # the flags are meant to be split
set -- ${MEMCACHED_EXTRA_FLAGS:-} "$@"
if [ -n "${MEMCACHED_MAX_ITEM_SIZE:-}" ]; then set -- -I "$MEMCACHED_MAX_ITEM_SIZE" "$@"; fi
if [ -n "${MEMCACHED_THREADS:-}" ]; then set -- -t "$MEMCACHED_THREADS" "$@"; fi
if [ -n "${MEMCACHED_MAX_CONNECTIONS:-}" ]; then set -- -c "$MEMCACHED_MAX_CONNECTIONS" "$@"; fi
if [ -n "${MEMCACHED_CACHE_SIZE:-}" ]; then set -- -m "$MEMCACHED_CACHE_SIZE" "$@"; fi
if [ -n "${MEMCACHED_PORT_NUMBER:-}" ]; then set -- -p "$MEMCACHED_PORT_NUMBER" "$@"; fi
# As root it requires -u with a user.
if [ "$(id -u)" = 0 ]; then set -- -u memcache "$@"; fi
exec memcached "$@"
