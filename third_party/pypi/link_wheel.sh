#!/bin/sh
# Links wheels that the user's cache has into the working directory: link_wheel.sh SPEC_JSON RUNTIME_TXT INSTALLER
#
# A shortcut of the repository rule: what install_wheel.py (INSTALLER) would do with an entry that is there, without the
# tenth of a second that Python takes to start, for each of some forty wheels. It ends in failure, and leaves nothing,
# where the cache has no such entry or its files can't be linked: then install_wheel.py does it. SPEC_JSON is
# as Bazel's json.encode writes it, and the first line of RUNTIME_TXT is the toolchain's sys.version; both are part
# of the entry's name, see `cache_entry` there.
set -eu

key=$({ printf '%s\n' "$1" && head -n 1 -- "$2" && cat -- "$3"; } | sha256sum)
entry=${BAZEL_WHEEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bazel-wheels}/${key%% *}
[ -d "$entry" ] || exit 1
# Hard links, not a link to the folder: Bazel has no way to notice that what is outside its output base is gone.
if cp -al -- "$entry/site-packages" . 2>/dev/null && cp -- "$entry/wheel_record.txt" . && cat -- "$entry/result.json"; then
  exit 0
fi
rm -rf -- site-packages wheel_record.txt
exit 1
