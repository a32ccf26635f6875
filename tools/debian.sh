# shellcheck shell=sh
# Read by the scripts that install a Debian package where one is missing: `. tools/debian.sh`, then
# `apt_install PACKAGE...`. They say what they do under the name in $program.

: "${program:?is the name that the messages start with}"

say() { printf '%s: %s\n' "$program" "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND...: runs it as root where that needs no password.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif have sudo && sudo -n true 2>/dev/null; then
    sudo -n "$@"
  else
    return 1
  fi
}

# apt_install PACKAGE...: true when all are installed; false, and said why, when they could not be; false where there
# is no apt-get, or it may not be used without a password.
apt_updated=
apt_install() {
  have apt-get || return 1
  as_root true || return 1
  say "installing $* (apt-get)"
  log=$(mktemp) || return 1
  if [ -z "$apt_updated" ]; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update --quiet >"$log" 2>&1 </dev/null
    apt_updated=yes
  fi
  if as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends "$@" \
    >>"$log" 2>&1 </dev/null; then
    rm -f "$log"
    return 0
  fi
  say "apt-get could not install $*: $(grep '^E:' "$log" | head -n 1) (all of it: $log)"
  return 1
}
