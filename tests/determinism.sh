#!/usr/bin/env bash
# Shows that the same events give the same effects, to the byte, in every build: debug, release, and release for a
# newer processor (target-cpu=x86-64-v3, dependencies included: they are where vector instructions would change sums).
# Each build back-tests the labelled storms in tests/storms; the seals over all their effects must be equal.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
out=$(mktemp -d); trap 'rm -rf "$out"' EXIT
host=$(rustc -vV | sed -n 's/^host: //p')

seal() { # NAME PROGRAM
  local storm
  for storm in medium hard; do
    "$2" backtest --quiet --seal --topology "tests/storms/$storm/cmdb.json.gz" --events "tests/storms/$storm/alerts.jsonl.gz" \
      --mapping rules/mappings/stormgen.yaml --out "$out/$1-$storm" >/dev/null
    sed -n 's/.*"effects_sha256": "\(.*\)".*/\1/p' "$out/$1-$storm/summary.json"
  done
}

declare -A seals
record() { # NAME PROGRAM
  seals[$1]=$(seal "$1" "$2")
  echo "$1: $(echo "${seals[$1]}" | cut -c1-16 | tr '\n' ' ')"
  [ "$(echo "${seals[$1]}" | grep -cE '^[0-9a-f]{64}$')" = 2 ] || { echo "$1 gave no seals"; exit 1; }
}

echo "== one seal in every build"
cargo build --quiet --bin headwater && record debug "$target/debug/headwater"
cargo build --quiet --release --bin headwater && record release "$target/release/headwater"
record "release, again" "$target/release/headwater"

needed="avx avx2 bmi1 bmi2 f16c fma movbe"
lacking=$(for flag in $needed; do grep -qw "$flag" /proc/cpuinfo || echo "$flag"; done)
if [ -n "$lacking" ]; then
  echo "!! x86-64-v3 NOT COMPARED: this processor lacks" $lacking
else
  # With --target the flags do not reach build scripts and macros, which are shared with the other builds then.
  began=$SECONDS
  RUSTFLAGS="-C target-cpu=x86-64-v3" cargo build --quiet --release --bin headwater --target "$host" --target-dir "$target/v3"
  echo "built for x86-64-v3 in $((SECONDS - began)) s"
  record x86-64-v3 "$target/v3/$host/release/headwater"
fi

for name in "${!seals[@]}"; do
  [ "${seals[$name]}" = "${seals[release]}" ] || { echo "!! $name decides otherwise than release"; exit 1; }
done
echo "all equal"
