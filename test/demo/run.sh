#!/usr/bin/env bash
#
# run.sh
#     The README's tutorials, live, in a private server: `make demo`.
#     PICTURES=directory keeps the pictures and the report that they make.

. "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"

lab_packages
lab_open
lab_build
lab_server
perl -I test/t/lib -MReadme -e 'print Readme::tour("README.md")' >"$lab/tour.sql"
lab_run "${as_user[@]}" psql -X -q -v ON_ERROR_STOP=1 -P pager=off -P border=1 -d postgres -f "$lab/tour.sql" 2>&1 |
  sed -uE 's/^psql:[^ ]+ (NOTICE|WARNING|INFO): /\1: /'
if [ -n "${PICTURES:-}" ]; then
  place=$(cd "$top" && mkdir -p "$PICTURES" && cd "$PICTURES" && pwd)
  cp -- *.svg *.html "$place"
  echo "the pictures and the report are in $place"
else
  echo "make demo PICTURES=directory keeps the pictures and the report"
fi
