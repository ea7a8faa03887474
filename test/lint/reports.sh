#!/usr/bin/env bash
#
# reports.sh FILE...
#     One TAP line: do the reports of valgrind in these files have frames of the
#     library?  The server, which is not built for valgrind, has reports of its own.

reports=$(awk '
  /^==[0-9]+== *$/ {if (ours) print report; report = ""; ours = 0; next}
  {report = report $0 "\n"}
  /kmeans\.so|\(km_|: km_|kmeans_/ {ours = 1}
  END {if (ours) print report}' "$@")
if [ -z "$reports" ]; then
  echo "ok 1 - valgrind has nothing against the library, in $# processes"
else
  echo "not ok 1 - valgrind has nothing against the library, in $# processes"
  printf '%s\n' "$reports" | sed 's/^/#   /'
fi
