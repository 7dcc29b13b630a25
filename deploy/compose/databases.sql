-- A database and its owner for Sluice, and the same for Prefect; run again, it only renews the passwords.
\getenv sluice_password SLUICE_DATABASE_PASSWORD
\getenv prefect_password PREFECT_DATABASE_PASSWORD
\set QUIET on
SELECT format('CREATE ROLE %I LOGIN', wanted.name) FROM (VALUES ('sluice'), ('prefect')) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) \gexec
ALTER ROLE sluice PASSWORD :'sluice_password';
ALTER ROLE prefect PASSWORD :'prefect_password';
SELECT format('CREATE DATABASE %I OWNER %I', wanted.name, wanted.name)
FROM (VALUES ('sluice'), ('prefect')) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = wanted.name) \gexec
REVOKE CONNECT ON DATABASE sluice, prefect FROM PUBLIC;
