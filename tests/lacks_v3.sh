#!/usr/bin/env bash
# What this processor lacks of x86-64-v3, one a line; nothing: it has it all.
for flag in avx avx2 bmi1 bmi2 f16c fma movbe; do grep -qw "$flag" /proc/cpuinfo || echo "$flag"; done
