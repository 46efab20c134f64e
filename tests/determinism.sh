#!/usr/bin/env bash
# Shows that the same events give the same effects, to the byte, in every build: each back-tests the labelled storms in
# tests/storms; the seals over all their effects must be equal. Compared are release and debug, the latter built with the
# RUSTFLAGS that are set: `.ci/run` sets target-cpu=x86-64-v3, dependencies included (they are optimised in debug, too, and
# are where vector instructions would change sums). `tests/determinism.sh PROGRAM` takes a debug build that is there;
# `tests/determinism.sh each` builds debug and release for both processors.
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
  local began=$SECONDS
  seals[$1]=$(seal "$1" "$2")
  echo "$1: $(echo "${seals[$1]}" | cut -c1-16 | tr '\n' ' ')in $((SECONDS - began)) s"
  [ "$(echo "${seals[$1]}" | grep -cE '^[0-9a-f]{64}$')" = 2 ] || { echo "$1 gave no seals"; exit 1; }
}

# With --target the flags do not reach build scripts and macros, which are shared with the other build then.
newer() { # PROFILE FOLDER
  RUSTFLAGS="-C target-cpu=x86-64-v3" cargo build --quiet --profile "$1" --bin headwater --target "$host" --target-dir "$target/v3"
  record "$2, x86-64-v3" "$target/v3/$host/$2/headwater"
}

echo "== one seal in every build"
asked=${1:-}
if [ -x "$asked" ]; then
  record "debug ${RUSTFLAGS:-}" "$asked"
else
  cargo build --quiet --bin headwater && record "debug ${RUSTFLAGS:-}" "$target/debug/headwater"
fi
env -u RUSTFLAGS cargo build --quiet --release --bin headwater && record release "$target/release/headwater"
record "release, again" "$target/release/headwater"
if [ "$asked" = each ]; then
  lacking=$(bash tests/lacks_v3.sh)
  [ -z "$lacking" ] || { echo "!! x86-64-v3 NOT COMPARED: this processor lacks" $lacking; exit 1; }
  newer dev debug
  newer release release
fi

for name in "${!seals[@]}"; do
  [ "${seals[$name]}" = "${seals[release]}" ] || { echo "!! $name decides otherwise than release"; exit 1; }
done
echo "all equal"
