#!/usr/bin/env bash
#
# run.sh
#     The guided tour, in a private server: `make demo`.

. "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"

lab_packages
lab_open
lab_build
lab_server
lab_run "${as_user[@]}" psql -X -q -v ON_ERROR_STOP=1 -P pager=off -P border=1 -d postgres -f test/demo/demo.sql 2>&1 |
  sed -uE 's/^psql:[^ ]+ (NOTICE|WARNING|INFO): /\1: /'
