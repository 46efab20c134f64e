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

# Every fault of docs/reliability.md on this machine, larger than in the tests.
chaos:
    HEADWATER_ALL_TOOLS=1 HEADWATER_POWER_SEEDS=3000 HEADWATER_MOVES=20 HEADWATER_STOPS=20 HEADWATER_STORM_EVENTS=1000000 \
    HEADWATER_HOT_EVENTS=200000 HEADWATER_BACKLOG_EVENTS=500000 HEADWATER_TOPOLOGIES=60 HEADWATER_SOAK_SECONDS=600 \
    HEADWATER_REDIS_ROUNDS=200 HEADWATER_FLIP_STRIDE=5 \
    cargo nextest run --release --no-fail-fast -j 1 --no-capture -E 'test(/^(faults|nats|redis|kill|parents|starting|golden|bounds|bad_input|intake|policy::schedules|cli::full_disk|cli::stopping)::|damage_tests|sqlite::tests/)'

# Hours of random faults over three nats-servers, redis-server and three instances; a line says how to repeat them.
soak hours="1":
    HEADWATER_ALL_TOOLS=1 HEADWATER_SOAK_SECONDS=$(python3 -c 'print(int(float("{{hours}}") * 3600))') HEADWATER_SOAK_ROUND=4000 \
    cargo nextest run --release --no-capture -E 'test(a_nemesis_over_a_whole_cluster)'

# A million events under a hundred and more kills of intake, owner, nats-server and redis-server by turns.
headline events="1000000" each="8000":
    HEADWATER_ALL_TOOLS=1 HEADWATER_SOAK_SECONDS=0 HEADWATER_SOAK_EVENTS={{events}} HEADWATER_SOAK_ROUND={{each}} HEADWATER_SOAK_KILLS_ONLY=1 \
    cargo nextest run --release --no-capture -E 'test(a_nemesis_over_a_whole_cluster)'

# So many stories of faults, each from a seed.
sim seeds="10000":
    HEADWATER_SIM_SEEDS={{seeds}} cargo nextest run --release --lib --no-capture -E 'test(seeds_of_the_simulation)'

# Redis flushed, killed, paused and filled up so many times under load, with a receiver that counts.
redis-soak faults="400":
    HEADWATER_REDIS_ROUNDS={{faults}} cargo nextest run --no-capture -E 'test(no_notice_is_told_twice_whatever_becomes_of_redis)'

# Three nats-servers, a redis-server and three instances on this machine; a storm goes through, one is killed.
cluster:
    cargo build --release
    bash deploy/cluster.sh

# Pictures of every page and of the tour in docs/screens, drawn anew. Look at them before they are committed.
screens:
    HEADWATER_SCREENS=1 cargo nextest run -E 'test(/console::screens/)'

# How fast the picture of an incident of 2,000 CIs is painted, moved and zoomed in Chromium, and what it takes.
graph:
    HEADWATER_FIGURES=1 cargo nextest run --release --no-capture -E 'test(how_fast_two_thousand_nodes_are)'

ci:
    bash .ci/run

# Score a folder of labelled storms, for example one made by a generator.
backtest storm out:
    cargo run --release -- backtest --topology {{storm}}/cmdb.json.gz --events {{storm}}/alerts.jsonl.gz --mapping rules/mappings/stormgen.yaml --out {{out}}
