# setup.sh
#     A private PostgreSQL server with kmeans in it, from nothing.
#
# Sourced by test/run.sh and test/demo/run.sh.  The legal order of calls:
#
#     lab_packages    install what is missing (as root, on Debian), find PG_CONFIG
#     lab_cron        if wanted: pg_cron, where it can be had
#     lab_browser     if wanted: Chromium, likewise
#     lab_open        make $lab, copy the tree into it
#     lab_sanitize    if wanted: build with AddressSanitizer, and run so
#     lab_undefined   or with UBSan, which stops at the first report
#     lab_valgrind    or run under valgrind
#     lab_build       build in the copy, install into $lab/root
#     lab_build_old   if wanted: the same for KMEANS_OLD_PG_CONFIG
#     lab_server      start a server that listens on a socket in $lab only
#
# Everything lives in $lab, a new directory per run, so that runs neither meet
# each other nor leave anything behind: not in the checkout, not in the
# system's server directories.  It goes when the script ends, however it ends.
#
# A server refuses to run as root.  If root calls, everything from lab_open on
# is done as an unprivileged user, by ${as_user[@]}; otherwise that is empty.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lab=
child=
as_user=()
build_options=()
server_environment=()
server_options=()
server_settings=()

# The caller's server, locale and make must not shine through.
for variable in "${!PG@}"; do
  [ "$variable" = PG_CONFIG ] || unset "$variable"
done
unset MAKEFLAGS MFLAGS MAKELEVEL variable
export LC_ALL=C

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# ---------------------------------------------------------------------------
# packages

lab_packages()
{
  local missing=() major

  major=$(lab_major)
  [ -z "${PG_CONFIG:-}" ] || [ -n "$major" ] || die "cannot run PG_CONFIG=$PG_CONFIG"
  if ! echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1; then
    missing+=(gcc libc6-dev)
  fi
  command -v make >/dev/null || missing+=(make)
  command -v prove >/dev/null || missing+=(perl)
  perl -MIPC::Run -e 1 2>/dev/null || missing+=(libipc-run-perl)
  command -v xmllint >/dev/null || missing+=(libxml2-utils)
  /usr/bin/python3 -c 'import numpy' 2>/dev/null || missing+=(python3-numpy)
  lab_has_server || missing+=("postgresql-${major:-?}")
  lab_has_pgxs || missing+=("postgresql-server-dev-${major:-?}")

  [ "${#missing[@]}" -eq 0 ] || lab_install "${missing[@]}"

  PG_CONFIG=${PG_CONFIG:-pg_config}
  lab_has_server || die "no server for $PG_CONFIG: $(lab_pg --bindir)/postgres is missing"
  lab_has_pgxs || die "no PGXS for $PG_CONFIG: $(lab_pg --pgxs) is missing"
  export PG_CONFIG
}

# One test schedules with pg_cron, and is skipped without it.
lab_cron()
{
  local package

  package=postgresql-$(lab_major)-cron
  if [ ! -f "$(lab_pg --sharedir)/extension/pg_cron.control" ] && [ "$(id -u)" -eq 0 ] && apt-cache show "$package" >/dev/null 2>&1; then
    lab_install "$package"
  fi
}

# One test opens pictures in a browser, and is skipped without it.
lab_browser()
{
  if ! command -v chromium >/dev/null && [ "$(id -u)" -eq 0 ] && apt-cache show chromium >/dev/null 2>&1; then
    lab_install chromium
  fi
}

lab_pg() { "${PG_CONFIG:-pg_config}" "$@" 2>/dev/null; }
lab_has_server() { [ -x "$(lab_pg --bindir)/postgres" ]; }
lab_has_pgxs() { [ -f "$(lab_pg --pgxs)" ]; }

# The major version that is, or shall be, installed: of PG_CONFIG if that is
# given, else of the newest server there is; empty if that is for the package
# index to say.
lab_major()
{
  if lab_pg --version | sed -nE 's/^PostgreSQL ([0-9]+).*/\1/p' | grep .; then
    return
  fi
  printf '%s\n' "${PG_CONFIG:-$(compgen -G '/usr/lib/postgresql/*/bin/postgres')}" |
    sed -nE 's,.*/postgresql/([0-9]+)/bin/.*,\1,p' | sort -n | tail -n 1
}

lab_install()
{
  local apt=(apt-get -y -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  local packages=("$@") conf=/etc/postgresql-common/createcluster.d major log status=0

  command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] ||
    die "missing packages: ${packages[*]} (root on Debian installs them by itself)"

  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  if ! apt-cache show postgresql >/dev/null 2>&1; then
    "${apt[@]}" update >"$log" 2>&1 || { cat "$log" >&2; die "apt-get update failed"; }
  fi
  major=$(apt-cache depends postgresql | sed -nE 's/.*Depends: postgresql-([0-9]+)$/\1/p')
  packages=("${packages[@]//\?/$major}")
  say "installing ${packages[*]}"

  # a test run must not leave a system cluster behind
  mkdir -p "$conf"
  echo 'create_main_cluster = false' >"$conf/kmeans-test.conf"
  "${apt[@]}" install --no-install-recommends "${packages[@]}" >"$log" 2>&1 ||
    { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "${packages[@]}"; } >>"$log" 2>&1 ||
    status=$?
  rm "$conf/kmeans-test.conf"
  rmdir "$conf" 2>/dev/null || true
  if [ "$status" -ne 0 ]; then
    cat "$log" >&2
    die "cannot install ${packages[*]}"
  fi
  rm -f "$log"
  hash -r
}

# ---------------------------------------------------------------------------
# the directory

lab_open()
{
  local user

  trap lab_close EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM

  # /tmp and not TMPDIR: a socket's path has 107 bytes, and another user must
  # be able to get there
  lab=$(mktemp -d /tmp/kmeans.XXXXXX)
  mkdir "$lab/tree" "$lab/sock" "$lab/log" "$lab/tmp"
  lab_files | tar -C "$top" --null -T - -cf - | tar -C "$lab/tree" -xf -

  if [ "$(id -u)" -eq 0 ]; then
    user=postgres
    id -u "$user" >/dev/null 2>&1 || user=nobody
    chown -R "$user:" "$lab"
    as_user=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups)
  fi
  export HOME=$lab TMPDIR=$lab/tmp
  cd "$lab/tree"
}

# The files of the checkout as they are now, zero-terminated; without git, or
# outside a checkout, everything that no build makes.
lab_files()
{
  local file

  cd "$top"
  if git -c safe.directory='*' rev-parse --git-dir >/dev/null 2>&1; then
    git -c safe.directory='*' ls-files -co --exclude-standard -z |
      while IFS= read -r -d '' file; do
        [ -e "$file" ] && printf '%s\0' "$file"
      done
  else
    find . -name .git -prune -o -type f ! -name '*.o' ! -name '*.so' -print0
  fi
}

# Run a command in a process group of its own, so that an interrupt ends it
# whole and at once.
lab_run()
{
  local status=0

  set -m
  "$@" </dev/null &
  child=$!
  set +m
  wait "$child" || status=$?
  child=
  return "$status"
}

lab_close()
{
  local signal=QUIT tries

  trap - EXIT
  cd /
  [ -z "$child" ] || kill -TERM -- "-$child" 2>/dev/null || true
  for tries in $(seq 100); do
    [ -n "$(lab_processes)" ] || break
    [ "$tries" -lt 80 ] || signal=KILL
    kill -s "$signal" $(lab_processes) 2>/dev/null || true
    sleep 0.05
  done
  rm -rf "$lab"
}

# Whatever still works in $lab: servers live in their data directories, tests
# in the copy of the tree.
lab_processes()
{
  find /proc -maxdepth 2 -name cwd -lname "$lab/*" 2>/dev/null | cut -d / -f 3
}

# ---------------------------------------------------------------------------
# build and server

# The server itself is not built so, hence the preload.
lab_sanitize()
{
  build_options=(COPT='-fsanitize=address -fno-omit-frame-pointer')
  server_environment=(env "LD_PRELOAD=$(gcc -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1)
}

# Without -fwrapv, which the server is built with and which would hide half of it.
lab_undefined()
{
  build_options=(COPT='-fsanitize=undefined,float-cast-overflow -fno-sanitize-recover=all -fno-wrapv')
}

# Debian's valgrind knows no AVX-512: AVX2 is what is tested.
lab_valgrind()
{
  command -v valgrind >/dev/null || lab_install valgrind
  "${as_user[@]}" tee "$lab/postgres" >/dev/null <<SCRIPT
#!/bin/sh
exec valgrind --quiet --leak-check=no --error-limit=no --trace-children=yes --num-callers=25 \
  --suppressions=$lab/tree/test/valgrind.supp \
  --log-file=$lab/log/valgrind.%p $(lab_pg --bindir)/postgres "\$@"
SCRIPT
  "${as_user[@]}" chmod +x "$lab/postgres"
  server_options=(-p "$lab/postgres" -t 300)
  server_settings=('jit = off' 'autovacuum = off')
}

lab_build()
{
  say "building for $(lab_pg --version)"
  if ! lab_run "${as_user[@]}" make -s -j"$(nproc)" WERROR="${WERROR:-1}" "${build_options[@]}" install DESTDIR="$lab/root" >"$lab/log/build.log" 2>&1; then
    cat "$lab/log/build.log"
    die "the build failed"
  fi
}

# Servers of all versions install beside each other.
lab_build_old()
{
  lab_run "${as_user[@]}" cp -R "$lab/tree" "$lab/old"
  cd "$lab/old"
  lab_run "${as_user[@]}" make -s clean
  PG_CONFIG=$KMEANS_OLD_PG_CONFIG lab_build
  KMEANS_OLD_TEST_CONF=$(PG_CONFIG=$KMEANS_OLD_PG_CONFIG lab_conf)
  KMEANS_OLD_INSTALL=$(dirname "$(PG_CONFIG=$KMEANS_OLD_PG_CONFIG lab_pg --bindir)")
  export KMEANS_OLD_TEST_CONF KMEANS_OLD_INSTALL
  cd "$lab/tree"
}

lab_server()
{
  local bin data=$lab/data

  bin=$(lab_pg --bindir)
  export PATH="$bin:$PATH"
  KMEANS_TEST_CONF=$(lab_conf)
  export KMEANS_TEST_CONF KMEANS_TEST_ROOT=$lab/root

  if ! {
    lab_run "${as_user[@]}" initdb -D "$data" -U postgres -A trust -N --no-locale -E UTF8 &&
      printf '%s\n' "$KMEANS_TEST_CONF" "listen_addresses = ''" "unix_socket_directories = '$lab/sock'" 'fsync = off' "${server_settings[@]}" >>"$data/postgresql.conf" &&
      lab_run "${as_user[@]}" "${server_environment[@]}" pg_ctl -D "$data" -l "$lab/log/server.log" "${server_options[@]}" -w start
  } >"$lab/log/start.log" 2>&1; then
    cat "$lab/log/start.log" "$lab/log/server.log" 2>/dev/null
    die "the server does not start"
  fi
  export PGHOST=$lab/sock PGUSER=postgres
}

# What a server needs in its configuration to find the extension in $lab/root:
# Debian's extension_destdir (15 to 17), extension_control_path (from 18).
lab_conf()
{
  local settings

  settings=$("${as_user[@]}" "$(lab_pg --bindir)/postgres" --describe-config | cut -f 1)
  case "$settings" in
    *extension_control_path*) say "extension_control_path = '$lab/root$(lab_pg --sharedir):\$system'" ;;
    *extension_destdir*) say "extension_destdir = '$lab/root'" ;;
    *) die "$(lab_pg --version) finds extensions in its own directory only: use make install and make installcheck" ;;
  esac
  say "dynamic_library_path = '$lab/root$(lab_pg --pkglibdir):\$libdir'"
}
