# shellcheck shell=bash disable=SC2154 # variables are shared with the other files
# Edit configuration files that the process also rewrites: lines managed here are replaced, all others are kept.

# quoted VALUE: quotes it as one argument of a configuration file, into REPLY.
quoted() {
  REPLY=${1//\\/\\\\}
  REPLY="\"${REPLY//\"/\\\"}\""
}

# set_lines FILE LINE...: each LINE is "words<TAB>value" and replaces every line that starts with these words; with an empty value
# they are only removed.
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

# value_of FILE WORDS: reads the rest of the last line that starts with these words into REPLY.
value_of() {
  local line
  REPLY=
  [[ -r $1 ]] || return 0
  while IFS= read -r line; do
    if [[ $line == "$2 "* ]]; then REPLY=${line#"$2 "}; fi
  done <"$1"
}
