# Formats, lints, the quick tests: under a minute once built.
check:
    cargo fmt --check
    cargo clippy --quiet --all-targets -- -D warnings
    cargo nextest run -E 'not test(/restart_before_any/)'

# Everything, installing what is missing.
test:
    bash tests/run.sh

# A million events over NATS under a hundred kills of program and nats-server: half an hour, best with `--release`.
nats-soak events="1000000" kills="100":
    HEADWATER_NATS_EVENTS={{events}} HEADWATER_NATS_KILLS={{kills}} cargo nextest run --release --no-capture -E 'test(kills_of_program_and_nats_server)'

# Redis flushed, killed, paused and filled up so many times under load, with a receiver that counts.
redis-soak faults="400":
    HEADWATER_REDIS_ROUNDS={{faults}} cargo nextest run --no-capture -E 'test(no_notice_is_told_twice_whatever_becomes_of_redis)'

# Three nats-servers, a redis-server and three instances on this machine; a storm goes through, one is killed.
cluster:
    cargo build --release
    bash deploy/cluster.sh

ci:
    bash .ci/run

# Score a folder of labelled storms, for example one made by a generator.
backtest storm out:
    cargo run --release -- backtest --topology {{storm}}/cmdb.json.gz --events {{storm}}/alerts.jsonl.gz --mapping rules/mappings/stormgen.yaml --out {{out}}
