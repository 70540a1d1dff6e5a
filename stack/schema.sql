-- What a schema consists of: kind, name and definition of each object. The search path is that schema alone, so that
-- definitions do not name it. Left out: partitions by the day and the month, which come and go; what belongs to an
-- extension; rights of roles that are not Genba's; storage parameters, which administrators tune; names of NOT NULLs,
-- which PostgreSQL keeps since version 18.
WITH extensions AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), relations AS (
    SELECT * FROM pg_class
    WHERE relnamespace = %(schema)s::regnamespace AND NOT (relispartition AND relname ~ '_p[0-9]{6}([0-9]{2})?$')
        AND ('pg_class'::regclass, oid) NOT IN (SELECT * FROM extensions)
), functions AS (
    SELECT * FROM pg_proc
    WHERE pronamespace = %(schema)s::regnamespace AND prokind <> 'a'
        AND ('pg_proc'::regclass, oid) NOT IN (SELECT * FROM extensions)
), columns AS (
    SELECT a.*, concat(relname, '.', attname) AS name FROM relations r JOIN pg_attribute a ON attrelid = r.oid
    WHERE relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
), rights AS (
    SELECT 'table' AS kind, relname AS name, relowner AS owner, coalesce(relacl, acldefault('r', relowner)) AS acl
    FROM relations WHERE relkind IN ('r', 'p', 'v', 'm')
    UNION ALL SELECT 'sequence', relname, relowner, coalesce(relacl, acldefault('s', relowner))
    FROM relations WHERE relkind = 'S'
    UNION ALL SELECT 'column', name, NULL, attacl FROM columns WHERE attacl IS NOT NULL
    UNION ALL SELECT 'function', oid::regprocedure::text, proowner, coalesce(proacl, acldefault('f', proowner))
    FROM functions
)
SELECT CASE relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' ELSE 'table' END, relname::text,
    concat_ws(', ', format('owner %%s, persistence %%s', relowner::regrole, relpersistence),
        CASE WHEN relrowsecurity THEN 'row-level security' END, CASE WHEN relforcerowsecurity THEN 'forced' END,
        'partitioned by ' || pg_get_partkeydef(r.oid), pg_get_expr(relpartbound, r.oid),
        (SELECT concat_ws(' ', seqtypid::regtype, 'from', seqstart, 'by', seqincrement, 'within', seqmin, seqmax)
            FROM pg_sequence WHERE seqrelid = r.oid))
FROM relations r WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL
SELECT 'order of columns in', relname, string_agg(attname, ' ' ORDER BY attnum)
FROM relations r JOIN columns ON attrelid = r.oid GROUP BY relname
UNION ALL
SELECT 'column', name, concat_ws(' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
    nullif(attcollation, 0)::regcollation, nullif(format('identity %%s', attidentity), 'identity '),
    CASE attgenerated WHEN '' THEN 'default ' ELSE format('generated %%s ', attgenerated) END
        || pg_get_expr(adbin, adrelid))
FROM columns LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
UNION ALL
SELECT 'constraint', concat(relname, '.', conname), pg_get_constraintdef(c.oid)
FROM relations r JOIN pg_constraint c ON conrelid = r.oid WHERE contype NOT IN ('n', 't')
UNION ALL
SELECT 'index', i.relname, pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END
FROM relations r JOIN pg_index ON indrelid = r.oid JOIN pg_class i ON i.oid = indexrelid
UNION ALL
SELECT 'policy', concat(relname, '.', polname), concat_ws(' ', CASE WHEN polpermissive THEN 'permissive' END,
    'for', polcmd, 'to ' || (SELECT string_agg(role::regrole::text, ' ' ORDER BY role) FROM unnest(polroles) role),
    'using ' || pg_get_expr(polqual, polrelid), 'check ' || pg_get_expr(polwithcheck, polrelid))
FROM relations r JOIN pg_policy ON polrelid = r.oid
UNION ALL
SELECT 'trigger', concat(relname, '.', tgname), concat_ws(' ', tgenabled, pg_get_triggerdef(t.oid))
FROM relations r JOIN pg_trigger t ON tgrelid = r.oid WHERE NOT tgisinternal
UNION ALL
SELECT 'function', oid::regprocedure::text, format('owner %%s, %%s', proowner::regrole, pg_get_functiondef(oid))
FROM functions
UNION ALL
SELECT 'rights', concat(kind, ' ', name), string_agg(privilege, ', ' ORDER BY privilege)
FROM rights CROSS JOIN LATERAL aclexplode(acl) LEFT JOIN pg_roles ON pg_roles.oid = grantee
    CROSS JOIN LATERAL concat_ws(' ', coalesce(rolname, 'public'), privilege_type) AS privilege
WHERE grantee IS DISTINCT FROM owner AND (grantee = 0 OR rolname = ANY (%(roles)s)) GROUP BY kind, name
