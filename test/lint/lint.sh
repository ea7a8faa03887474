#!/usr/bin/env bash
#
# lint.sh ROOT LOG
#     Rules of the house that a machine can check, one TAP line each.
#
# Runs at the top of the tree.  ROOT is where the extension was installed
# (make install DESTDIR=ROOT), LOG the log of the server that ran the tests;
# psql reaches that server.

set -u
shopt -s lastpipe                # check() counts, at the end of a pipeline

root=$1
server_log=$2
number=0
status=0

# check TEXT: ok if nothing comes in, else what comes in is what is wrong
check()
{
  local wrong

  wrong=$(head -n 30)
  number=$((number + 1))
  if [ -z "$wrong" ]; then
    echo "ok $number - $1"
  else
    echo "not ok $number - $1"
    printf '%s\n' "$wrong" | sed 's/^/#   /'
    status=1
  fi
}

# The files that people wrote, except this one, which names what it looks for.
written()
{
  find . -name .git -prune -o -path ./results -prune -o -path ./tmp_check -prune -o \
    -path ./output_iso -prune -o -path ./test/core/build -prune -o -path ./test/fuzz/corpus -prune -o -path ./test/lint/lint.sh -o \
    -type f ! -name '*.o' ! -name '*.so' ! -name 'kmeans--*.sql' ! -path './regression.*' -print
}

grep_written() { written | grep -vE '\.(csv|out)$' | tr '\n' '\0' | xargs -0 grep -InHE -- "$1"; }

# ---------------------------------------------------------------------------
# the floors: api -> model -> engine -> core

{
  grep -nE '#include "(engine|model|api)/' src/core/*.[ch]
  grep -nE '#include "(model|api)/' src/engine/*.[ch]
  grep -nE '#include "api/' src/model/*.[ch]
} | check "includes point down"

grep -nE '#include "' src/core/*.[ch] | grep -vE '"core/' |
  check "the core includes nothing but itself and the C library"

find src -name '*.c' -printf '%f\n' | sort | uniq -d | check "base names of C files are unique"

grep -rn 'PG_VERSION_NUM' src | grep -v '^src/compat.h:' |
  check "only compat.h looks at the server's version"

# ---------------------------------------------------------------------------
# leftovers

grep_written 'TODO|FIXME|HACK' | check "nothing is left for later"

grep_written '-march=native|-ffast-math' | check "no flag breaks other people's machines or results"

grep_written '[[:blank:]]+$' | check "no line ends in blanks"

written | grep -vE '\.out$' | while IFS= read -r file; do
  ! grep -Iq . "$file" || [ -z "$(tail -c 1 "$file")" ] || echo "$file"
done | check "files end in a newline"

# ---------------------------------------------------------------------------
# errors: each text is seen by a test.  Of a text, its longest piece between
# two conversions is looked for.

grep -rhoE 'errmsg(_plural)?\("([^"\\]|\\.)*"' src |
  sed -E 's/^errmsg(_plural)?\("//; s/"$//' | sort -u |
  while IFS= read -r text; do
    piece=$(printf '%s' "$text" | sed -E 's/\\"/"/g; s/%[-0-9.]*(l|ll|z)?[a-zA-Z]/\n/g' |
      awk 'length($0) > l {l = length($0); s = $0} END {print s}')
    [ "${#piece}" -ge 8 ] || continue
    grep -rqF --exclude-dir=lint -- "$piece" expected test || printf '%s\n' "$text"
  done | check "every error text is seen by a test"

grep -rnE 'errmsg(_plural)?\("[A-Z][a-z]+ ' src |
  check "error messages begin in lower case"

grep -rnE 'errmsg(_plural)?\("[^"]*[^.]\."' src | check "error messages end without a full stop"

# ---------------------------------------------------------------------------
# versions

version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" kmeans.control)
{
  grep -oE '"version": *"[^"]*"' META.json | grep -v "\"$version.0\"" | sed 's/^/META.json: /'
  grep -qE "^## $version( |\$)" CHANGELOG.md || echo "CHANGELOG.md does not know $version"
} | check "kmeans.control, META.json and CHANGELOG.md agree on the version"

# ---------------------------------------------------------------------------
# what was built and installed

nm -D --defined-only "$root$("$PG_CONFIG" --pkglibdir)/kmeans.so" | awk '{print $3}' |
  grep -vE '^(km_|kmeans_|pg_finfo_kmeans_|Pg_magic_func$|_PG_init$|_init$|_fini$)' |
  check "every symbol of the library carries the prefix"

find . "$root" -name '*.bc' | check "no bitcode is built or installed"

members()
{
  psql -XqAt -d postgres -v ON_ERROR_STOP=1 2>&1 <<SQL
CREATE SCHEMA lint;
CREATE EXTENSION kmeans SCHEMA lint;
CREATE TEMP VIEW members AS
  SELECT classid, objid, pg_describe_object(classid, objid, 0) AS name
  FROM pg_depend
  WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
    AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'kmeans');
$1;
SET client_min_messages = warning;
DROP EXTENSION kmeans;
DROP SCHEMA lint;
SQL
}

members "SELECT name FROM members WHERE obj_description(objid, classid::regclass::name) IS NULL" |
  check "every SQL object has a comment"

members "SELECT name FROM members JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
  WHERE prosecdef OR proleakproof" |
  check "no function is security definer or leakproof"

grep -E 'PANIC|TRAP:|was terminated by signal' "$server_log" | check "no process of the server died"

echo "1..$number"
exit $status
