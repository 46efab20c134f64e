#!/bin/sh
# Tells Headwater of a vCenter alarm: the action "Run script" of an alarm definition. Needs curl.
# 将 vCenter 警报发送到 Headwater:警报定义中的“运行脚本”操作。
#
# Beside this file `headwater.conf` (mode 600) with:
#   HEADWATER_URL=https://headwater.example
#   HEADWATER_TOKEN=<token of a credential with the role source>
set -eu
conf=${HEADWATER_CONF:-$(dirname "$0")/headwater.conf}
if [ -r "$conf" ]; then . "$conf"; fi
: "${HEADWATER_URL:?set it in $conf}" "${HEADWATER_TOKEN:?set it in $conf}"

set -- --silent --show-error --fail-with-body --max-time 10 --retry 5 --retry-connrefused
for name in NAME ID TARGET_NAME TARGET_ID OLDSTATUS NEWSTATUS TRIGGERINGSUMMARY DECLARINGSUMMARY EVENTDESCRIPTION \
    EVENT_DATACENTER EVENT_COMPUTERESOURCE EVENT_HOST EVENT_VM; do
    eval "value=\${VMWARE_ALARM_$name:-}"
    [ -z "$value" ] || set -- "$@" --data-urlencode "VMWARE_ALARM_$name=$value"
done
# The token is not among the arguments, which every user of the machine can see.
printf 'header = "Authorization: Bearer %s"\n' "$HEADWATER_TOKEN" |
    curl --config - "$@" "$HEADWATER_URL/api/v1/ingest/vcenter"
