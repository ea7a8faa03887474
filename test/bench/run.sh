#!/usr/bin/env bash
#
# run.sh
#     The benchmark, in a private server: `make bench`.
#
#     make bench                          everything; writes RESULTS.md and results.svg here
#     make bench BENCH="fit predict"      some parts only, printed
#     make bench BENCH_SCALE=0.1          a tenth of the rows, printed
#
# bench.py knows the parts.  Give it an idle machine: it takes about ten
# minutes, 5 GB of disk below /tmp and 4 GB of memory.

. "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"

# Debian's own: the packages below belong to it.
python=/usr/bin/python3

bench_packages()
{
  local missing=()

  # without OpenBLAS scikit-learn would be an easy opponent
  "$python" -c 'import sklearn' 2>/dev/null || missing+=(python3-sklearn)
  "$python" -c 'import psycopg2' 2>/dev/null || missing+=(python3-psycopg2)
  compgen -G '/usr/lib/*/openblas-pthread/libblas.so.3' >/dev/null || missing+=(libopenblas0-pthread)
  [ "${#missing[@]}" -eq 0 ] || lab_install "${missing[@]}"
}

# What a server on a machine of this size would have, with one process per
# processor, and nothing that begins by itself in the middle of a measurement.
bench_configure()
{
  local workers=$(($(nproc) - 1))

  cat >>"$lab/data/postgresql.conf" <<CONF
shared_buffers = 1GB
maintenance_work_mem = 2GB
max_wal_size = 16GB
checkpoint_timeout = 1d
autovacuum = off
synchronize_seqscans = off
jit = off
max_parallel_workers_per_gather = $workers
max_parallel_maintenance_workers = $workers
CONF
  lab_run "${as_user[@]}" pg_ctl -D "$lab/data" -l "$lab/log/server.log" -w restart >"$lab/log/restart.log"
}

lab_packages
bench_packages
BENCH_COMMIT=$(git -c safe.directory='*' -C "$top" describe --always --dirty --exclude '*' 2>/dev/null || echo unknown)
export BENCH_COMMIT
lab_open
lab_build
lab_server
bench_configure

# As many threads as the server has processes.
OMP_NUM_THREADS=$(nproc)
export OMP_NUM_THREADS OPENBLAS_NUM_THREADS=$OMP_NUM_THREADS
lab_run "${as_user[@]}" "$python" -u -B test/bench/bench.py "$lab/tmp"

for file in RESULTS.md results.svg; do
  [ ! -e "$lab/tmp/$file" ] || cp "$lab/tmp/$file" "$top/test/bench/$file"
done
