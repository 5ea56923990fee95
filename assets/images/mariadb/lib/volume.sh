# shellcheck shell=bash disable=SC2034,SC2154 # variables shared with the other files
# Check that the volume is the expected one. Initialise a new volume so that it is either empty or complete after a crash.

identity_file=$data/.lyandev-identity
version=$(<"$share/version")

# identity FIELD: reads a field of the identity file into REPLY; empty if there is none.
identity() {
  local key value
  REPLY=
  [[ -r $identity_file ]] || return 0
  while IFS='=' read -r key value; do
    if [[ $key == "$1" ]]; then REPLY=$value; fi
  done <"$identity_file"
}

# newer A B: is version A (two numbers with a dot) newer than B?
newer() { ((${1%%.*} > ${2%%.*} || (${1%%.*} == ${2%%.*} && ${1#*.} > ${2#*.}))); }

# Reads the version of the data into REPLY: from the identity file, else from the server's upgrade file, else empty.
data_version() {
  local file
  identity version
  if [[ -n $REPLY ]]; then return; fi
  for file in "$data"/mariadb_upgrade_info "$data"/mysql_upgrade_info; do
    if [[ -r $file && $(tr -d '\0' <"$file") =~ ^([0-9]+\.[0-9]+) ]]; then
      REPLY=${BASH_REMATCH[1]}
      return
    fi
  done
}

# Names in the volume that are ignored: created by file systems, manifests and this image.
is_bare() {
  local entry
  for entry in "$data"/* "$data"/.[!.]*; do
    [[ -e $entry ]] || continue
    case ${entry##*/} in
    lost+found | tmp | logs | .seed.new | .lyandev-lock | .lyandev-accounts.sql) ;;
    *) return 1 ;;
    esac
  done
}

# Sets volume_state: empty, old (written by an older MariaDB) or good; exits in any other state.
check_volume() {
  local expected=${LYANDEV_VOLUME_INITIALIZED:-} cluster=${LYANDEV_CLUSTER:-} product id
  mkdir -p "$data" 2>/dev/null || true
  [[ -w $data && -x $data ]] || fail 77 "cannot write $data as uid $EUID (it is $(stat -c 'owned by %u:%g, mode %a' \
    "$data" 2>/dev/null || echo missing)): give it to this uid, or start the container as root"
  rm -rf "$data/.seed.new"
  if [[ -d $data/.seed.ready ]]; then place_seed; fi
  identity product && product=$REPLY
  identity id && id=$REPLY
  if [[ -n $product && $product != mariadb ]]; then
    fail 78 "refusing the volume at $data: it belongs to $product ($id), not to MariaDB"
  fi
  if [[ ! -d $data/mysql ]]; then
    if [[ -n $expected || -n $id ]]; then
      fail 78 "refusing the volume at $data: it was initialised (${id:-$expected}) but its database is gone;" \
        "restore it, or delete the volume to start afresh"
    fi
    is_bare || fail 78 "refusing the volume at $data: it holds files but no MariaDB database;" \
      "empty it, or mount another volume"
    volume_state=empty
    return
  fi
  if is_yes "$expected"; then expected=; fi
  for expected in $expected $cluster; do
    if [[ -n $id && $id != "$expected" ]]; then
      fail 78 "refusing the volume at $data: it belongs to $id, and $expected was expected"
    fi
  done
  volume_state=good
  data_version
  if [[ -z $REPLY || $REPLY == "$version" ]]; then return; fi
  if newer "$REPLY" "$version"; then
    fail 78 "refusing the volume at $data: it was written by MariaDB $REPLY and this is $version;" \
      "use an image of $REPLY or newer"
  fi
  old_version=$REPLY
  volume_state=old
}

# Copy the seed under another name, prepare it there if necessary, sync it to disk, then move it into place.
make_volume() {
  local seed=$data/.seed.new
  cp -r --reflink=auto --sparse=always "$share/seed" "$seed"
  chmod -R u+rwX,go-rwx "$seed"
  if have_init_scripts; then run_init_scripts "$seed" "$@"; fi
  sync -f "$seed"
  mv "$seed" "$data/.seed.ready"
  place_seed
}

# Move a prepared seed into place, mysql/ last: its presence marks a complete database. Idempotent.
place_seed() {
  local ready=$data/.seed.ready entry
  local entries=()
  for entry in "$ready"/* "$ready"/.[!.]*; do
    if [[ -e $entry && ${entry##*/} != mysql ]]; then entries+=("$entry"); fi
  done
  if ((${#entries[@]})); then mv -f -t "$data" -- "${entries[@]}"; fi
  if [[ -d $ready/mysql ]]; then mv -T "$ready/mysql" "$data/mysql"; fi
  rmdir "$ready"
}

# The server id is random and stored with the data: two volumes never have the same one, so a slave can detect that its master's
# volume was replaced.
read_server_id() {
  local file=$data/server_id
  server_id=
  if [[ -s $file ]]; then read -r server_id <"$file" || true; fi
  if [[ $server_id =~ ^[1-9][0-9]{0,9}$ ]]; then return; fi
  server_id=$((($(od -An -N4 -tu4 /dev/urandom) & 0x7fffffff) + 1))
  printf '%s\n' "$server_id" >"$file.new"
  mv -f "$file.new" "$file"
}

# Written if missing (a new volume, or one from another image) and when the version has changed.
write_identity() {
  local id created
  identity version
  if [[ $REPLY == "$version" ]]; then return; fi
  # If the upgrade is disabled, the data keeps its old version, and so must the identity.
  if [[ $volume_state == old && -z ${upgraded:-} ]]; then return; fi
  identity id && id=$REPLY
  identity created && created=$REPLY
  if [[ -z $id ]]; then
    id=${LYANDEV_CLUSTER:-}
    if [[ -z $id ]] && ! is_yes "${LYANDEV_VOLUME_INITIALIZED:-}"; then id=${LYANDEV_VOLUME_INITIALIZED:-}; fi
    : "${id:=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')}"
  fi
  printf 'product=mariadb\nid=%s\nversion=%s\ncreated=%s\n' "$id" "$version" \
    "${created:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}" >"$identity_file.new"
  mv -f "$identity_file.new" "$identity_file"
}
