-- The three roles of a Genba database, for an administrator to run once, before CREATE DATABASE genba OWNER genba_owner.
-- Passwords are set apart (ALTER ROLE ... PASSWORD); the file can be run again.
--   genba_owner   owns the schema and runs migrations; not a superuser
--   genba_app     what the service and the jobs connect as; owns nothing, bypasses nothing
--   genba_backup  reads everything for pg_dump, row-level security notwithstanding
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'genba_owner') THEN
        CREATE ROLE genba_owner LOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'genba_app') THEN
        CREATE ROLE genba_app LOGIN NOSUPERUSER NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'genba_backup') THEN
        CREATE ROLE genba_backup LOGIN NOSUPERUSER BYPASSRLS;
    END IF;
END
$$;
ALTER ROLE genba_owner SET lock_timeout = '5s';
ALTER ROLE genba_app SET statement_timeout = '30s';
ALTER ROLE genba_app SET idle_in_transaction_session_timeout = '60s';
GRANT pg_read_all_data TO genba_backup;
