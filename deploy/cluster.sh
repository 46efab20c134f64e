#!/usr/bin/env bash
# Three nats-servers, a redis-server and three instances of Headwater on this machine, from the files beside this one; a storm
# goes through all three, one of them is killed in the middle. Ctrl-C ends everything; with --once it ends by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
once=${1:-}
program=${HEADWATER:-target/release/headwater}
[ -x "$program" ] || { echo "build it first: cargo build --release"; exit 1; }
nats=$(command -v nats-server || true)
[ -x target/test-venv/bin/nats-server ] && nats=$PWD/target/test-venv/bin/nats-server
[ -n "$nats" ] || { echo "nats-server is missing: bash tests/run.sh installs it"; exit 1; }
command -v redis-server >/dev/null || { echo "redis-server is missing: apt-get install redis-server"; exit 1; }

folder=$(mktemp -d)
pids=()
end() { kill -9 "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"; }
trap end EXIT
trap 'exit 130' INT TERM

routes=nats://127.0.0.1:17431,nats://127.0.0.1:17432,nats://127.0.0.1:17433
for n in 1 2 3; do
  HEADWATER_NATS_NAME=n$n HEADWATER_NATS_HOST=127.0.0.1 HEADWATER_NATS_PORT=1740$n HEADWATER_NATS_MONITOR_PORT=1741$n \
    HEADWATER_NATS_STORE=$folder/nats$n \
    "$nats" -c deploy/nats/one.conf --cluster_name headwater --cluster nats://127.0.0.1:1743$n --routes $routes \
    >"$folder/nats$n.log" 2>&1 &
  pids+=($!)
done
redis-server deploy/redis/redis.conf --port 17421 --dir "$folder" --aclfile "" >"$folder/redis.log" 2>&1 &
pids+=($!)

declare -A instance
start() {
  HEADWATER__CLUSTER__INSTANCE=mill-$1 "$program" serve --config deploy/headwater/cluster.yaml --data "$folder/mill$1" \
    --listen 127.0.0.1:1744$1 >>"$folder/mill$1.log" 2>&1 &
  instance[$1]=$!
  pids+=($!)
}
ask() { curl -fsS -H "authorization: Bearer $admin" "$@"; }
wait_for() { # instance
  for _ in $(seq 600); do
    if ask "http://127.0.0.1:1744$1/readyz" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "instance $1 does not answer:"; tail -5 "$folder/mill$1.log"; exit 1
}
token() { "$program" token create --data "$folder/mill1" --role "$1" --name "$1" 2>/dev/null | awk 'END { print $NF }'; }

mkdir "$folder/mill1" "$folder/mill2" "$folder/mill3"
admin=$(token admin); source=$(token source)
# The same tokens are known everywhere.
for n in 2 3; do cp -p "$folder/mill1/tokens.json" "$folder/mill$n/"; done
for n in 1 2 3; do start $n; done
for n in 1 2 3; do wait_for $n; echo "instance $n: http://127.0.0.1:1744$n"; done
echo "token of an administrator: $admin"

zcat tests/storms/medium/cmdb.json.gz | ask -X PUT -H 'content-type: application/json' --data-binary @- \
  http://127.0.0.1:17441/api/v1/topology >/dev/null
zcat tests/storms/medium/alerts.jsonl.gz | split -l 100 - "$folder/part."
n=0; killed=""
for part in "$folder"/part.*; do
  n=$((n + 1))
  if [ $n = 10 ]; then killed=2; kill -9 "${instance[2]}"; echo "instance 2 is killed"; fi
  to=$((n % 3 + 1))
  [ "$to" = "$killed" ] && to=$((to % 3 + 1))
  for _ in $(seq 200); do
    if curl -fsS -H "authorization: Bearer $source" -H 'content-type: application/x-ndjson' --data-binary @"$part" \
      http://127.0.0.1:1744$to/api/v1/ingest/stormgen >/dev/null 2>&1; then break; fi
    sleep 0.1
  done
done
start 2; wait_for 2; echo "instance 2 is back"
events=$(zcat tests/storms/medium/alerts.jsonl.gz | wc -l)
is_done() { python3 -c "import json, sys; a = json.loads(sys.argv[1]); sys.exit(a['pending'] > 0 or a['accepted'] < $events)" "$1"; }
for to in 1 2 3; do
  for _ in $(seq 600); do
    account=$(ask "http://127.0.0.1:1744$to/api/v1/conservation")
    if is_done "$account"; then break; fi
    sleep 0.1
  done
  python3 - "$to" "$account" "$(ask "http://127.0.0.1:1744$to/api/v1/incidents?limit=500")" \
    "$(ask "http://127.0.0.1:1744$to/metrics")" <<'END'
import json, sys
to, account, incidents, metrics = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
number = lambda name: next(line.split()[-1] for line in metrics.splitlines() if line.startswith(name))
print(f"instance {to}: {account['accepted']} events accepted, {account['pending']} pending, balanced {account['balanced']},",
      f"{len(incidents['items'])} incidents, decides {number('headwater_partitions_decided')} of the partitions in use,",
      f"diverged {number('headwater_decisions_diverged_total')}")
END
done
open_in_api() { ask http://127.0.0.1:17441/api/v1/overview | python3 -c 'import json, sys; print(json.load(sys.stdin)["open"])'; }
for _ in $(seq 100); do
  open=$(open_in_api); listed=$(redis-cli -p 17421 ZCARD 'headwater:v1:{default}:open')
  if [ "$open" = "$listed" ]; then break; fi
  sleep 0.1
done
echo "open incidents: $open in the API, $listed in Redis"
[ "$open" = "$listed" ]
[ "$once" = --once ] || { echo "Ctrl-C ends everything"; wait; }
