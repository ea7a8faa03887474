#!/usr/bin/env bash
#
# servers.sh [SUITE...]
#     The tests on other servers than this machine's: `make test-servers`.
#
#     trixie     Debian 13 with its PostgreSQL, 17
#     sid        Debian unstable with its PostgreSQL, 18
#     asan       the SQL layer on trixie, built with AddressSanitizer
#     upgrade    pg_upgrade on trixie, from PostgreSQL 15 of bookworm
#
# Without arguments all four.  As root on Debian, since each suite is a folder
# that debootstrap fills once, under $KMEANS_SERVERS (/var/cache/kmeans-servers);
# 2 GB each.  KMEANS_MIRROR is where packages come from.
#
# A folder is entered through a mount and a process namespace of its own: what
# was mounted or started there ends with the test.  Inside, test/run.sh does
# what it does everywhere, packages included; warnings of a compiler newer than
# ours are no errors.  One line per server; the last line is `N passed, N
# failed`.  A server that cannot be had, or is newer than what we know, is
# skipped, which its line says.

. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

folders=${KMEANS_SERVERS:-/var/cache/kmeans-servers}
mirror=${KMEANS_MIRROR:-http://deb.debian.org/debian}
newest=18                        # the newest major version that we know
passed=0
failed=0

main()
{
  local what

  [ "$(id -u)" -eq 0 ] || die "needs root, for debootstrap"
  [ "$#" -gt 0 ] || set -- trixie sid asan upgrade
  for what in "$@"; do
    case $what in
      trixie | sid | asan | upgrade) ;;
      *) die "no such server: $what (trixie, sid, asan, upgrade)" ;;
    esac
  done

  command -v debootstrap >/dev/null || lab_install debootstrap
  mkdir -p "$folders"
  exec 9>"$folders/lock"
  flock 9
  lab_open
  for what in "$@"; do
    case $what in
      trixie | sid) server "$what" core sql isolation server ;;
      asan) server trixie sanitized ;;
      upgrade) server trixie upgrade ;;
    esac
  done

  say "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}

# server SUITE LAYER...: run layers of test/run.sh in the folder of a suite
server()
{
  local suite=$1 log=$lab/log/$1.$2.log start=$SECONDS status=0 major good bad

  shift
  if ! { folder "$suite" && { [ "$1" != upgrade ] || old_server "$suite"; }; } >"$log" 2>&1; then
    say "$(printf '%-50s skipped: no packages' "$suite, $*")"
    tail -n 5 "$log" | sed 's/^/  /'
    return
  fi
  major=$(folder_major "$suite")
  if [ "$major" -gt "$newest" ]; then
    say "$(printf '%-50s skipped: PostgreSQL %s is newer than %s' "$suite, $*" "$major" "$newest")"
    return
  fi
  lab_run folder_enter "$suite" PG_CONFIG="/usr/lib/postgresql/$major/bin/pg_config" WERROR=0 \
    KMEANS_OLD_PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config /mnt/test/run.sh "$@" >"$log" 2>&1 || status=$?
  good=$(sed -nE 's/^([0-9]+) passed, [0-9]+ failed$/\1/p' "$log")
  bad=$(sed -nE 's/^[0-9]+ passed, ([0-9]+) failed$/\1/p' "$log")
  if [ "${bad:-0}" -eq 0 ] && { [ "$status" -ne 0 ] || [ "${good:-0}" -eq 0 ]; }; then
    bad=1
  fi
  passed=$((passed + ${good:-0}))
  failed=$((failed + bad))
  say "$(printf '%-50s %5d passed, %d failed (%d s)' "PostgreSQL $major ($suite, $*)" "${good:-0}" "$bad" $((SECONDS - start)))"
  [ "$bad" -eq 0 ] || sed 's/^/  /' "$log"
}

# Make the folder of a suite, unless there is one.
folder()
{
  local suite=$1

  [ ! -d "$folders/$suite" ] || return 0
  rm -rf "$folders/$suite.new"
  debootstrap --variant=minbase "$suite" "$folders/$suite.new" "$mirror" || return 1
  # what sid says of its own age is not always so
  echo 'Acquire::Check-Valid-Until "false";' >"$folders/$suite.new/etc/apt/apt.conf.d/10kmeans"
  folder_enter "$suite.new" apt-get -q update || return 1
  mv "$folders/$suite.new" "$folders/$suite"
}

# The major version of a suite's PostgreSQL.
folder_major()
{
  chroot "$folders/$1" apt-cache depends postgresql | sed -nE 's/.*Depends: postgresql-([0-9]+)$/\1/p'
}

# PostgreSQL 15 beside the suite's own, as a machine has it that was upgraded.
old_server()
{
  local sources=$folders/$1/etc/apt/sources.list.d/bookworm.list

  if [ ! -f "$sources" ]; then
    printf 'deb %s bookworm%s main\n' "$mirror" '' "$mirror-security" -security >"$sources"
    folder_enter "$1" apt-get -q update || { rm "$sources"; return 1; }
  fi
  folder_enter "$1" sh -c '
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/kmeans.conf
    apt-get -y -q install --no-install-recommends postgresql-15 postgresql-server-dev-15'
}

# folder_enter SUITE [NAME=VALUE...] COMMAND...: run a command with the folder
# as its root, in an environment of its own.
# The root is changed by pivot_root, since inside chroot nobody may make
# namespaces, which some tests want to.
folder_enter()
{
  local root=$folders/$1

  shift
  mkdir -p "$root/mnt"
  unshare --mount --propagation private --pid --fork --kill-child sh -euc '
    root=$1 tree=$2
    shift 2
    mount --bind "$root" "$root"
    cd "$root"
    mount --rbind /dev dev
    mount -t tmpfs tmpfs dev/shm
    mount -t proc proc proc
    mount -t tmpfs tmpfs tmp
    chmod 1777 tmp dev/shm
    mount --bind "$tree" mnt
    pivot_root . .
    umount -l .
    cd /
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"' sh "$root" "$lab/tree" "$@" </dev/null
}

main "$@"
