#!/usr/bin/env bash
#
# run.sh
#     Fuzz whatever reads a kmeans_model, in a private server: `make fuzz`.
#
#     make fuzz                  a minute for each of text, binary and stored bytes
#     make fuzz FUZZ=600         so many seconds
#
# Begins with test/fuzz/corpus, and adds to it the small inputs that made the
# reader take other ways than all before; `make test` replays it.
# An input that brings the server down stays in test/fuzz/crash.

. "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"

seconds=${FUZZ:-60}
targets=(text binary stored)

fuzz_packages()
{
  command -v clang-14 >/dev/null && compgen -G '/usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer*' >/dev/null ||
    lab_install clang-14 libclang-rt-14-dev libstdc++-12-dev
}

fuzz_build()
{
  lab_run "${as_user[@]}" make -s -j"$(nproc)" -C test/fuzz PG_CONFIG="$PG_CONFIG" >"$lab/log/fuzz.log" 2>&1 ||
    { cat "$lab/log/fuzz.log"; die "the build failed"; }
  "${as_user[@]}" cp test/fuzz/kmeans.so "$lab/root$(lab_pg --pkglibdir)/kmeans.so"
}

# The words that a text may have.
fuzz_words()
{
  sed -nE 's/^.*\{"([a-z_]+)", KM_JSON.*$/"\\"\1\\": "/p' src/model/value_json.c
}

# fuzz TARGET OPTION...: libFuzzer ends the session's process.  It answers with
# what the server's log says of it.
fuzz()
{
  local target=$1 list

  shift
  list=$(printf ",'%s'" "$@")
  : >"$lab/log/server.log"
  psql -XqAt -d postgres -c "SELECT kmeans_fuzz('$target', ARRAY[${list#,}])" >/dev/null 2>&1 || true
  until psql -XqAt -d postgres -c '' 2>/dev/null; do sleep 0.1; done
}

lab_packages
fuzz_packages
lab_open
lab_build
fuzz_build
lab_server

status=0
"${as_user[@]}" mkdir "$lab/crash"
fuzz_words | "${as_user[@]}" tee "$lab/words" >/dev/null
psql -XqAt -d postgres -c 'CREATE EXTENSION kmeans' -c "CREATE FUNCTION kmeans_fuzz(text, text[]) RETURNS void AS 'kmeans' LANGUAGE C"
for target in "${targets[@]}"; do
  corpus=$lab/tree/test/fuzz/corpus/$target
  "${as_user[@]}" mkdir -p "$corpus" "$lab/found/$target"
  fuzz "$target" "-max_total_time=$seconds" -max_len=8000 "-dict=$lab/words" "-artifact_prefix=$lab/crash/$target-" "$lab/found/$target" "$corpus"
  say "$target: $(grep -aE '^(#|Done)' "$lab/log/server.log" | tail -n 1)"
  grep -aE 'PANIC|terminated by signal|ERROR: libFuzzer' "$lab/log/server.log" && status=1
  mkdir -p "$top/test/fuzz/corpus/$target"
  find "$lab/found/$target" -type f -size -3 -exec cp -n {} "$top/test/fuzz/corpus/$target/" \;
done
if [ -n "$(ls "$lab/crash")" ]; then
  mkdir -p "$top/test/fuzz/crash"
  cp "$lab/crash"/* "$top/test/fuzz/crash/"
  status=1
fi
exit "$status"
