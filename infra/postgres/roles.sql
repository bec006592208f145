-- The groups that Holdback's grants go to. Run it once per server, as somebody who may create roles, in Holdback's database:
--   psql "postgresql://postgres@db/holdback" -f infra/postgres/roles.sql
-- Then make logins (the passwords belong to you) and put them into groups:
--   create role night login password '...' in role holdback_scorer, holdback_trainer;   -- the worker that runs the day
--   create role analyst login password '...' in role holdback_reader;                   -- people and BI tools
--   create role keeper login password '...' in role holdback_admin;                     -- setup, forgetting, retention
-- and run `holdback warehouse setup` as a member of holdback_admin: it makes schemas, tables and grants.
--
--   reader   reads results and events. Not: customers' attributes, contact keys, remarks, quarantined rows.
--   scorer   reads all, adds rows to all tables; replaces a day of `features`. Changes and removes nothing else.
--   trainer  reads all, adds figures of evaluations, puts models in office (journal).
--   admin    owns the schemas: makes tables, and is the only one who can rewrite (the right to be forgotten).
do $$
declare
    wanted text;
begin
    foreach wanted in array array['holdback_reader', 'holdback_scorer', 'holdback_trainer', 'holdback_admin'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I nologin', wanted);
        end if;
    end loop;
    execute format('grant create on database %I to holdback_admin', current_database());
end $$;
