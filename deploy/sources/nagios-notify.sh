#!/bin/sh
# Tells Headwater of a Nagios or Naemon notification. Needs curl. / 将 Nagios、Naemon 的通知发送到 Headwater。
#
# define command {
#   command_name  headwater-service
#   command_line  /usr/lib/nagios/plugins/nagios-notify.sh
# }
# (and headwater-host likewise), a contact that uses both, `enable_environment_macros=1` in nagios.cfg, and in this file's folder
# `headwater.conf` (mode 600) with:
#   HEADWATER_URL=https://headwater.example
#   HEADWATER_TOKEN=<token of a credential with the role source>
set -eu
conf=${HEADWATER_CONF:-$(dirname "$0")/headwater.conf}
if [ -r "$conf" ]; then . "$conf"; fi
: "${HEADWATER_URL:?set it in $conf}" "${HEADWATER_TOKEN:?set it in $conf}"

set -- --silent --show-error --fail-with-body --max-time 10 --retry 5 --retry-connrefused
for name in NOTIFICATIONTYPE HOSTNAME HOSTADDRESS HOSTSTATE HOSTOUTPUT LASTHOSTSTATECHANGE HOSTGROUPNAMES HOSTPROBLEMID \
    SERVICEDESC SERVICESTATE SERVICEOUTPUT LASTSERVICESTATECHANGE SERVICEPROBLEMID SERVICENOTESURL SERVICEACTIONURL \
    NOTIFICATIONAUTHOR NOTIFICATIONCOMMENT; do
    eval "value=\${NAGIOS_$name:-}"
    [ -z "$value" ] || set -- "$@" --data-urlencode "$name=$value"
done
# The token is not among the arguments, which every user of the machine can see.
printf 'header = "Authorization: Bearer %s"\n' "$HEADWATER_TOKEN" |
    curl --config - "$@" "$HEADWATER_URL/api/v1/ingest/nagios"
