# shellcheck shell=bash disable=SC2154 # variables are shared with the other files
# Configuration files that the process itself rewrites: of each line we own, only ours may be in it; the rest is left as it is.

# quoted VALUE: as one argument in a configuration file, into REPLY.
quoted() {
  REPLY=${1//\\/\\\\}
  REPLY="\"${REPLY//\"/\\\"}\""
}

# set_lines FILE LINE...: each LINE is "words<TAB>value", and replaces every line that begins with these words; one with an
# empty value only removes them.
set_lines() {
  local file=$1 line words entry kept=()
  shift
  if [[ -e $file ]]; then
    while IFS= read -r line || [[ -n $line ]]; do
      for entry in "$@"; do
        words=${entry%%$'\t'*}
        if [[ $line == "$words" || $line == "$words "* ]]; then continue 2; fi
      done
      kept+=("$line")
    done <"$file"
  fi
  for entry in "$@"; do
    if [[ -n ${entry#*$'\t'} ]]; then kept+=("${entry/$'\t'/ }"); fi
  done
  (umask 077 && printf '%s\n' "${kept[@]}" >"$file.new")
  mv -f "$file.new" "$file"
}

# value_of FILE WORDS: what follows these words, in the last line that begins with them; into REPLY.
value_of() {
  local line
  REPLY=
  [[ -r $1 ]] || return 0
  while IFS= read -r line; do
    if [[ $line == "$2 "* ]]; then REPLY=${line#"$2 "}; fi
  done <"$1"
}
