#!/usr/bin/env bash
#
# run.sh [LAYER...]
#     All tests, on any Debian machine, in a private server: `make test`.
#
#     core               the core without a server
#     core-sanitized     the same under AddressSanitizer and UBSan
#     sql                every function, every error
#     forced-parallel    the same answers where queries are made parallel
#     isolation          sessions that meet
#     server             faults, standby, dump and restore, schedules
#     lint               rules that a machine can check
#
# Not among those that run without arguments, see test/servers.sh:
#
#     sanitized          sql with the extension under AddressSanitizer, alone;
#                        hangs on Debian 12, works on 13
#     undefined          sql with the extension under UBSan, alone
#     valgrind           sql under valgrind, alone: no report may have a frame of ours
#     upgrade            pg_upgrade from the server of KMEANS_OLD_PG_CONFIG
#
# Layer by layer; each counts its tests and goes on after a failure, whose log
# is shown.  The last line is `N passed, N failed`.

. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

passed=0
failed=0

main()
{
  local name

  [ "$#" -gt 0 ] || set -- core core-sanitized sql forced-parallel isolation server lint
  lab_packages
  lab_cron
  lab_browser
  lab_open
  case "$*" in
    sanitized) lab_sanitize ;;
    undefined) lab_undefined ;;
    valgrind) lab_valgrind ;;
  esac
  lab_build
  lab_server
  for name in "$@"; do
    case $name in
      core) layer core make -C test/core check ;;
      core-sanitized) layer core-sanitized make -C test/core check-sanitized ;;
      sql | sanitized | undefined | valgrind) layer "$name" make -s installcheck ISOLATION= TAP_TESTS= ;;
      forced-parallel) forced_parallel ;;
      isolation) layer isolation make -s installcheck REGRESS= TAP_TESTS= ;;
      server) layer server make -s installcheck REGRESS= ISOLATION= PROVE_FLAGS='-v -I test/t/lib' ;;
      upgrade) upgrade ;;
      lint) layer lint test/lint/lint.sh "$lab/root" "$lab/log/server.log" ;;
      *) die "no such layer: $name" ;;
    esac
  done
  if [ "$*" = valgrind ]; then
    layer valgrind-reports test/lint/reports.sh "$lab"/log/valgrind.*
  fi

  say "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}

# The SQL layer with every query that may be parallel made so, whatever it
# costs, and with so many workers to be had.  Left out is the fit, which chooses
# its workers itself.
forced_parallel()
{
  local force topics workers

  force=$(psql -XqAt -d postgres -c "SELECT name FROM pg_settings WHERE name IN ('debug_parallel_query', 'force_parallel_mode')")
  topics=$(basename -s .sql sql/*.sql | grep -vE '^(kmeans--.*|engine|fit|memory|parallel)$' | xargs)
  for workers in 0 1 2; do
    layer "parallel-$workers" \
      env PGOPTIONS="-c $force=regress -c max_parallel_workers=$workers -c max_parallel_maintenance_workers=$workers" \
      make -s installcheck ISOLATION= TAP_TESTS= REGRESS="$topics"
  done
}

# pg_upgrade from the server of KMEANS_OLD_PG_CONFIG
upgrade()
{
  lab_build_old
  layer upgrade make -s installcheck REGRESS= ISOLATION= PROVE_FLAGS='-v -I test/t/lib' PROVE_TESTS=test/t/015_pg_upgrade.pl
}

# layer NAME COMMAND...: run it as the unprivileged user and count its tests.
# One that fails without naming a failed test, or that tests nothing, is a
# failure of its own.
layer()
{
  local name=$1 log=$lab/log/$1.log start=$SECONDS status=0 good bad

  shift
  lab_run "${as_user[@]}" "$@" >"$log" 2>&1 || status=$?
  good=$(grep -cE '^ok [0-9]|^(test|  ).*\.\.\. ok( |$)' "$log" || true)
  bad=$(grep -cE '^not ok|^(test|  ).*\.\.\. FAILED' "$log" || true)
  if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; }; then
    bad=1
  fi
  passed=$((passed + good))
  failed=$((failed + bad))
  say "$(printf '%-15s %5d passed, %d failed (%d s)' "$name" "$good" "$bad" $((SECONDS - start)))"
  [ "$bad" -eq 0 ] || layer_failed "$name" "$log"
}

# What there is to know about a layer that failed.
layer_failed()
{
  local name=$1 log=$2

  say "--- $name"
  case $name in
    sql | parallel-* | sanitized | undefined | valgrind) layer_show "$log" regression.diffs "$lab/log/server.log" ;;
    isolation) layer_show "$log" output_iso/regression.diffs "$lab/log/server.log" ;;
    server | upgrade) layer_show "$log" tmp_check/log/* ;;
    *) layer_show "$log" ;;
  esac
}

layer_show()
{
  local file

  for file in "$@"; do
    if [ -s "$file" ]; then
      say "--- ${file#"$lab/"}"
      grep -vE ' total in [0-9]+ blocks|LOG:  statement:' "$file" | tail -n 300
    fi
  done
}

main "$@"
