#!/bin/sh
# Headwater
# Tells Headwater of a Checkmk notification. Needs curl. The rule's parameters: address and token.
# 将 Checkmk 的通知发送到 Headwater;通知规则的两个参数依次为地址与令牌。
set -eu
url=${NOTIFY_PARAMETER_1:?the first parameter of the notification rule is the address, such as https://headwater.example}
token=${NOTIFY_PARAMETER_2:?the second parameter of the notification rule is the token of a source}

set -- --silent --show-error --fail-with-body --max-time 10 --retry 5 --retry-connrefused
for name in NOTIFICATIONTYPE WHAT HOSTNAME HOSTADDRESS HOSTSTATE HOSTOUTPUT HOSTTAGS SERVICEDESC SERVICESTATE SERVICEOUTPUT \
    SERVICECONTACTGROUPNAMES MICROTIME OMD_SITE NOTIFICATIONAUTHOR NOTIFICATIONCOMMENT; do
    eval "value=\${NOTIFY_$name:-}"
    [ -z "$value" ] || set -- "$@" --data-urlencode "NOTIFY_$name=$value"
done
# The token is not among the arguments, which every user of the machine can see.
printf 'header = "Authorization: Bearer %s"\n' "$token" | curl --config - "$@" "$url/api/v1/ingest/checkmk"
