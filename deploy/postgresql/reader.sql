-- A role that reads oddaemon's database on PostgreSQL, and views of it in dollars: for BI tools, psql and `oddaemon.api`.
--
--   sudo -u postgres psql --dbname=oddaemon --file=reader.sql
--   sudo -u postgres psql --dbname=oddaemon --command='\password oddaemon_reader'
--
-- If the tables are in a schema of their own, put PGOPTIONS='-c search_path=SCHEMA' before psql.
-- Add --set=owner=NAME if the daemons log in under another name than oddaemon, --set=reader=NAME for another reader. Run it
-- again after an upgrade of oddaemon; it changes nothing that is right already.
--
-- THE READER SEES PATIENT DATA: patient numbers and what each family owes, but no names, and no keys of Open Dental's, which
-- are never in the database. It writes nothing: it has no right to, its transactions are read-only, and one that is
-- left open ends after a minute, so that it keeps no dead rows from being removed.
\set ON_ERROR_STOP on
\if :{?owner}
\else
  \set owner oddaemon
\endif
\if :{?reader}
\else
  \set reader oddaemon_reader
\endif

BEGIN;

SELECT format('CREATE ROLE %I LOGIN', :'reader') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'reader') \gexec
ALTER ROLE :"reader" SET default_transaction_read_only = on;
ALTER ROLE :"reader" SET statement_timeout = '10min';
ALTER ROLE :"reader" SET idle_in_transaction_session_timeout = '1min';
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'reader') \gexec

SELECT relnamespace::regnamespace AS tables FROM pg_class WHERE oid = 'office'::regclass \gset
GRANT USAGE ON SCHEMA :"tables" TO :"reader";
GRANT SELECT ON ALL TABLES IN SCHEMA :"tables" TO :"reader";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"tables" GRANT SELECT ON TABLES TO :"reader";

-- The views are in a schema of their own: oddaemon's has oddaemon's tables alone.
CREATE SCHEMA IF NOT EXISTS oddaemon_views AUTHORIZATION :"owner";
SET LOCAL ROLE :"owner";

-- The fleet today: the condition of each office, and the totals of its latest snapshot in dollars.
CREATE OR REPLACE VIEW oddaemon_views.fleet AS
SELECT office.id AS office, office.name, office.condition, office.reason, office.owner AS who_must_act,
  snapshot.aging_date, snapshot.published_at, snapshot.guarantors,
  snapshot.bal_0_30 / 100.00 AS bal_0_30, snapshot.bal_31_60 / 100.00 AS bal_31_60,
  snapshot.bal_61_90 / 100.00 AS bal_61_90, snapshot.bal_over_90 / 100.00 AS bal_over_90,
  snapshot.bal_total / 100.00 AS bal_total
FROM office LEFT JOIN snapshot ON snapshot.id = (SELECT max(id) FROM snapshot AS own WHERE own.office = office.key)
WHERE office.wanted;

-- Every snapshot: an office night by night.
CREATE OR REPLACE VIEW oddaemon_views.nights AS
SELECT office.id AS office, snapshot.id AS snapshot, snapshot.aging_date, snapshot.observed_at, snapshot.published_at,
  snapshot.guarantors, snapshot.bal_0_30 / 100.00 AS bal_0_30, snapshot.bal_31_60 / 100.00 AS bal_31_60,
  snapshot.bal_61_90 / 100.00 AS bal_61_90, snapshot.bal_over_90 / 100.00 AS bal_over_90,
  snapshot.bal_total / 100.00 AS bal_total, snapshot.new_guarantors AS new, snapshot.changed_guarantors AS changed,
  snapshot.cleared_guarantors AS cleared, snapshot.reader, snapshot.requests, snapshot.pull_seconds
FROM snapshot JOIN office ON office.key = snapshot.office;

-- What each family owes today.
CREATE OR REPLACE VIEW oddaemon_views.balances AS
SELECT office.id AS office, balance.pat_num, balance.clinic_num,
  balance.bal_0_30 / 100.00 AS bal_0_30, balance.bal_31_60 / 100.00 AS bal_31_60,
  balance.bal_61_90 / 100.00 AS bal_61_90, balance.bal_over_90 / 100.00 AS bal_over_90,
  balance.ins_est / 100.00 AS ins_est, balance.est_balance / 100.00 AS est_balance,
  balance.bal_total / 100.00 AS bal_total
FROM balance JOIN office ON office.key = balance.office
WHERE balance.valid_to IS NULL;

-- What each family owed on any night: SELECT * FROM oddaemon_views.balances_of('bright-smiles', '2026-03-02').
CREATE OR REPLACE FUNCTION oddaemon_views.balances_of(office_id text, day date)
RETURNS TABLE (
  pat_num bigint, clinic_num bigint, bal_0_30 numeric, bal_31_60 numeric, bal_61_90 numeric, bal_over_90 numeric,
  ins_est numeric, est_balance numeric, bal_total numeric
) LANGUAGE sql STABLE AS $$
  WITH night AS (
    SELECT snapshot.office, max(snapshot.id) AS id FROM snapshot JOIN office ON office.key = snapshot.office
    WHERE office.id = office_id AND snapshot.aging_date = day GROUP BY snapshot.office
  )
  SELECT balance.pat_num, balance.clinic_num, balance.bal_0_30 / 100.00, balance.bal_31_60 / 100.00,
    balance.bal_61_90 / 100.00, balance.bal_over_90 / 100.00, balance.ins_est / 100.00, balance.est_balance / 100.00,
    balance.bal_total / 100.00
  FROM balance JOIN night USING (office)
  WHERE balance.valid_from <= night.id AND (balance.valid_to IS NULL OR balance.valid_to > night.id)
  ORDER BY balance.pat_num
$$;

RESET ROLE;
GRANT USAGE ON SCHEMA oddaemon_views TO :"reader";
GRANT SELECT ON ALL TABLES IN SCHEMA oddaemon_views TO :"reader";

COMMIT;
