#!/bin/sh
# Makes the secrets of docker-compose.yml, once: sh stack/production/make-secrets.sh [FOLDER]
# What is there already stays as it is, so it can be run again after an upgrade. Keep secret_key apart from the backups.
set -eu
folder=${1:-secrets}
# Where the servers are, for installations other than docker-compose.yml.
postgres=${POSTGRES_AT:-postgres:5432}
pgbouncer=${PGBOUNCER_AT:-pgbouncer:6432}
valkey=${VALKEY_AT:-valkey:6379}

umask 077
mkdir -p "$folder"
# Closed to others as a whole. The files inside are readable, because the accounts in the containers are not this one.
chmod 700 "$folder"

put() {
    [ -e "$folder/$1" ] || printf '%s\n' "$2" > "$folder/$1"
    chmod 444 "$folder/$1"
}
random() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}
value() {
    cat "$folder/$1"
}

for name in secret_key watchdog_token superuser_password owner_password app_password backup_password valkey_password; do
    put "$name" "$(random)"
done
put database_url "postgresql://genba_app:$(value app_password)@$pgbouncer/genba"
put database_direct_url "postgresql://genba_app:$(value app_password)@$postgres/genba"
put database_owner_url "postgresql://genba_owner:$(value owner_password)@$postgres/genba"
put database_backup_url "postgresql://genba_backup:$(value backup_password)@$postgres/genba"
put database_rehearsal_url "postgresql://genba_owner:$(value owner_password)@$postgres/genba_rehearsal"
put redis_url "redis://:$(value valkey_password)@$valkey/0"
put valkey.conf "requirepass $(value valkey_password)"
put userlist.txt "\"genba_app\" \"$(value app_password)\""
# Yours to fill in; empty means not set.
for name in database_read_url smtp_password slack_bot_token \
    twilio_auth_token bland_api_key bland_webhook_secret stripe_api_key \
    stripe_webhook_secrets agencies_card_keys agencies_code_keys files_secret_key backup_key; do
    put "$name" ""
done
