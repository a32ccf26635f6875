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

# as_apt ARGUMENT...: apt-get as root, without questions, waiting for another apt that is at work.
as_apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# apt_has_lists: true where apt knows what can be installed, from anywhere but what is installed already.
apt_has_lists() {
  LC_ALL=C apt-cache policy apt 2>/dev/null | grep -Eq '^ *[0-9]+ [a-z+]+:'
}

# apt_lacks PACKAGE...: true where apt's lists are there, and one of these is not in them.
apt_lacks() {
  apt_has_lists || return 1
  for package in "$@"; do
    LC_ALL=C apt-cache policy "$package" 2>/dev/null | grep -q '^ *Candidate: [^(]' || return 0
  done
  return 1
}

# as_apt_install LOG PACKAGE...: installs them, says how much that fetches, and adds all that apt prints to a file.
as_apt_install() {
  install_log=$1
  shift
  { as_apt install --no-install-recommends "$@" 2>&1 && echo "apt_install: done"; } | while IFS= read -r line; do
    printf '%s\n' "$line" >>"$install_log"
    case $line in
      "Need to get 0 B"*) ;;
      "Need to get "*) say "fetching ${line#Need to get } (apt-get)" ;;
    esac
  done
  grep -qx 'apt_install: done' "$install_log"
}

# apt_update: fetches apt's lists, once. What it cannot fetch, the installation after it says.
apt_updated=
apt_update() {
  [ -n "$apt_updated" ] || as_apt update
  apt_updated=yes
}

# apt_install PACKAGE...: true when all are installed; false, and said why, when they could not be; false where there
# is no apt-get, it may not be used without a password, or its distribution has none of that name.
apt_installed=
apt_install() {
  have apt-get || return 1
  as_root true || return 1
  # Before anything is done: where it is not offered, every run would ask the network again, in vain.
  if apt_lacks "$@"; then return 1; fi
  say "installing $* (apt-get)"
  log=$(mktemp) || return 1
  # What the lists say is there mostly is; where they are too old for that, apt fails, and they are fetched.
  if { apt_has_lists && as_apt_install "$log" "$@"; } ||
    { apt_update >"$log" 2>&1 && as_apt_install "$log" "$@"; }; then
    # shellcheck disable=SC2034 # for who reads this file
    apt_installed=yes
    rm -f "$log"
    return 0
  fi
  say "apt-get could not install $*: $(grep '^E:' "$log" | head -n 1) (all of it: $log)"
  return 1
}
