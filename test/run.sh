#!/usr/bin/env bash
#
# run.sh
#     All tests, on any Debian machine, in a private server: `make test`.
#
# Layer by layer; each counts its tests and goes on after a failure, whose log
# is shown.  The last line is `N passed, N failed`.

. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

passed=0
failed=0

main()
{
  lab_packages
  lab_open
  lab_build
  lab_server

  layer core make -C test/core check
  layer core-sanitized make -C test/core check-sanitized
  layer sql make -s installcheck ISOLATION= TAP_TESTS=
  if compgen -G 'test/specs/*.spec' >/dev/null; then
    layer isolation make -s installcheck REGRESS= TAP_TESTS=
  fi
  if compgen -G 'test/t/*.pl' >/dev/null; then
    layer server make -s installcheck REGRESS= ISOLATION= PROVE_FLAGS='-v -I test/t/lib'
  fi
  layer lint test/lint/lint.sh "$lab/root" "$lab/log/server.log"

  say "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
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
    sql) layer_show "$log" regression.diffs "$lab/log/server.log" ;;
    isolation) layer_show "$log" output_iso/regression.diffs "$lab/log/server.log" ;;
    server) layer_show "$log" tmp_check/log/* ;;
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
