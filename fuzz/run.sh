#!/usr/bin/env bash
# Runs fuzz targets: fuzz/run.sh SECONDS [TARGET...]. Without names: all of them, one after the other.
# A finding ends with a non-zero status and lies in fuzz/artifacts/TARGET; put it into tests/corpus when it is mended.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:?seconds for each target}; shift
command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
# libFuzzer needs flags that only a nightly compiler takes by itself.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
targets=("$@"); ((${#targets[@]})) || mapfile -t targets < <(ls fuzz_targets | sed 's/\.rs$//')

# The places whose files are the first inputs of a target.
seeds() {
  case $1 in
    decode_* | sketch_mapping) find ../tests/corpus ../tests/golden/decode -type f ! -name '*.expected' ;;
    parse_formats) find ../rules/mappings ../rules/severity ../rules/alertmanager.yaml -type f ;;
    parse_rules) find ../rules -maxdepth 1 -name '*.yaml' ;;
    load_topology) find ../topology ../tests/scenarios -name '*.yaml' -size -64k ;;
    read_journal | read_outbox | read_snapshot | parse_matchers) find "../tests/golden/${1#*_}" -type f -size -256k ;;
  esac
}

cd ..
for target in "${targets[@]}"; do
  corpus=fuzz/corpus/$target; mkdir -p "$corpus"
  (cd fuzz && seeds "$target") | while read -r file; do
    cp "fuzz/$file" "$corpus/$(echo "$file" | sha256sum | cut -c1-16)"
  done
  echo "== $target, $seconds s, $(ls "$corpus" | wc -l) seeds"
  cargo fuzz run --sanitizer none "$target" -- -max_total_time="$seconds" -timeout=5 -rss_limit_mb=512 -max_len=65536 -print_final_stats=1
done
