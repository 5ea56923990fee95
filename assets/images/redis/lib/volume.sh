# shellcheck shell=bash disable=SC2034,SC2154 # variables are shared with the other files
# Check that the volume belongs to this product and cluster and still contains its data.

# identity FIELD: reads a field of the identity file into REPLY; empty if there is none.
identity() {
  local key value
  REPLY=
  [[ -r $data/.lyandev-identity ]] || return 0
  while IFS='=' read -r key value; do
    if [[ $key == "$1" ]]; then REPLY=$value; fi
  done <"$data/.lyandev-identity"
}

# newer A B: is version A (two numbers with a dot) newer than B?
newer() { ((${1%%.*} > ${2%%.*} || (${1%%.*} == ${2%%.*} && ${1#*.} > ${2#*.}))); }

has_dataset() { [[ -s $data/dump.rdb || -s $data/appendonly.aof ]] || compgen -G "$data/appendonlydir/*" >/dev/null; }

# check_volume PRODUCT: redis or redis-sentinel. Sets volume_id, and volume_used if the volume is known to have held data.
check_volume() {
  local expected=${LYANDEV_VOLUME_INITIALIZED:-} product stored_version
  version=$(</usr/share/lyandev/version)
  mkdir -p "$data" 2>/dev/null || true
  [[ -w $data && -x $data ]] || fail 77 "cannot write $data as uid $EUID (it is $(stat -c 'owned by %u:%g, mode %a' \
    "$data" 2>/dev/null || echo missing)): give it to this uid, or start the container as root"
  identity product && product=$REPLY
  identity id && volume_id=$REPLY
  identity version && stored_version=$REPLY
  if [[ -n $product && $product != "$1" ]]; then
    fail 78 "refusing the volume at $data: it belongs to $product ($volume_id), not to $1"
  fi
  if [[ -z $product && -d $data/mysql && -e $data/ibdata1 ]]; then
    fail 78 "refusing the volume at $data: it holds a MariaDB database"
  fi
  volume_used=
  identity state
  if [[ -n $expected || $REPLY == used ]]; then volume_used=1; fi
  if is_yes "$expected"; then expected=; fi
  for expected in $expected ${LYANDEV_CLUSTER:-}; do
    if [[ -n $volume_id && $volume_id != "$expected" ]]; then
      fail 78 "refusing the volume at $data: it belongs to $volume_id, and $expected was expected"
    fi
  done
  if [[ -n $stored_version ]] && newer "$stored_version" "$version"; then
    fail 78 "refusing the volume at $data: it was written by Redis $stored_version and this is $version;" \
      "use an image of $stored_version or newer"
  fi
}

# A master without its data would make its replicas delete theirs. A replica fetches the data again.
check_dataset() { # ROLE
  if [[ -z $volume_used ]] || has_dataset; then return; fi
  if [[ $1 == master ]]; then
    fail 78 "refusing to start as master on the volume at $data: it was initialised (${volume_id:-$LYANDEV_VOLUME_INITIALIZED})" \
      "but its data is gone; restore it, or delete the volume to start afresh"
  fi
  say "the data in the volume at $data is missing; fetching it from the master"
}

# write_identity PRODUCT: the state is "fresh" until a start finds data, because the first start may be killed before it writes any.
write_identity() {
  local created id=$volume_id state=fresh stored_state stored_version
  identity created && created=$REPLY
  identity state && stored_state=$REPLY
  identity version && stored_version=$REPLY
  if has_dataset; then state=used; fi
  if [[ $stored_state == "$state" && $stored_version == "$version" ]]; then return; fi
  if [[ -z $id ]]; then
    id=${LYANDEV_CLUSTER:-}
    if [[ -z $id ]] && ! is_yes "${LYANDEV_VOLUME_INITIALIZED:-}"; then id=${LYANDEV_VOLUME_INITIALIZED:-}; fi
    : "${id:=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')}"
  fi
  printf 'product=%s\nid=%s\nversion=%s\ncreated=%s\nstate=%s\n' "$1" "$id" "$version" \
    "${created:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}" "$state" >"$data/.lyandev-identity.new"
  mv -f "$data/.lyandev-identity.new" "$data/.lyandev-identity"
}
