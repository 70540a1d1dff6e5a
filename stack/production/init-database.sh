#!/bin/sh
# Roles and databases, as docs/production.md has an administrator make them; PostgreSQL's container runs it once, on an empty
# volume. Passwords come from files and never stand in a command line.
set -eu
export SECRETS_FOLDER="${SECRETS_FOLDER:-/run/secrets}" PGUSER="${PGUSER:-postgres}" PGDATABASE=postgres
psql -X -q -v ON_ERROR_STOP=1 -f "${ROLES:-/genba/roles.sql}"
psql -X -q -v ON_ERROR_STOP=1 <<'SQL'
\set owner `cat "$SECRETS_FOLDER/owner_password"`
\set app `cat "$SECRETS_FOLDER/app_password"`
\set backup `cat "$SECRETS_FOLDER/backup_password"`
ALTER ROLE genba_owner PASSWORD :'owner';
ALTER ROLE genba_app PASSWORD :'app';
ALTER ROLE genba_backup PASSWORD :'backup';
CREATE DATABASE genba OWNER genba_owner;
REVOKE ALL ON DATABASE genba FROM PUBLIC;
GRANT CONNECT ON DATABASE genba TO genba_owner, genba_app, genba_backup;
-- Backups are tried out there.
CREATE DATABASE genba_rehearsal OWNER genba_owner;
REVOKE ALL ON DATABASE genba_rehearsal FROM PUBLIC;
GRANT CONNECT ON DATABASE genba_rehearsal TO genba_owner, genba_backup;
SQL
