#!/bin/sh
# Tells Headwater of an Icinga 2 notification. Needs curl. / 将 Icinga 2 的通知发送到 Headwater。
#
# object NotificationCommand "headwater" {
#   command = [ ConfigDir + "/scripts/icinga-notify.sh" ]
#   env = {
#     notification_type = "$notification.type$"
#     host_name = "$host.name$"            host_address = "$address$"
#     host_state = "$host.state$"          host_output = "$host.output$"
#     service_name = "$service.name$"      service_display_name = "$service.display_name$"
#     service_state = "$service.state$"    service_output = "$service.output$"
#     last_state_change = "$service.last_state_change$"
#     notes_url = "$service.notes_url$"
#     notification_author = "$notification.author$"
#     notification_comment = "$notification.comment$"
#   }
# }
# apply Notification "headwater" to Service { command = "headwater"  users = [ "icingaadmin" ]  assign where true }
# (and to Host likewise, with host.last_state_change), and beside this file `headwater.conf` (mode 600) with:
#   HEADWATER_URL=https://headwater.example
#   HEADWATER_TOKEN=<token of a credential with the role source>
set -eu
conf=${HEADWATER_CONF:-$(dirname "$0")/headwater.conf}
if [ -r "$conf" ]; then . "$conf"; fi
: "${HEADWATER_URL:?set it in $conf}" "${HEADWATER_TOKEN:?set it in $conf}"

set -- --silent --show-error --fail-with-body --max-time 10 --retry 5 --retry-connrefused
for name in notification_type host_name host_address host_state host_output service_name service_display_name service_state \
    service_output last_state_change notes_url groups notification_author notification_comment; do
    eval "value=\${$name:-}"
    [ -z "$value" ] || set -- "$@" --data-urlencode "$name=$value"
done
# The token is not among the arguments, which every user of the machine can see.
printf 'header = "Authorization: Bearer %s"\n' "$HEADWATER_TOKEN" |
    curl --config - "$@" "$HEADWATER_URL/api/v1/ingest/icinga"
