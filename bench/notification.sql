-- The rows of one notification in one statement and one transaction: the least PostgreSQL can do for them.
WITH application AS (
    INSERT INTO applications (id, status, version)
    VALUES (gen_random_uuid()::text, 'verifying', 2)
    RETURNING id
), document AS (
    INSERT INTO documents (id, application_id, bucket, key, object_version, etag, sequencer, kind, size, status)
    SELECT gen_random_uuid(), id, 'sluice-documents', 'applications/' || id || '/license-front/' || gen_random_uuid(),
        md5(id) || '-0055AED6DCD90281E5', md5(id), '0055AED6DCD90281E5', 'license-front', 1843200, 'received'
    FROM application
    RETURNING id, application_id
), run AS (
    INSERT INTO runs (id, cause_kind, cause_id, route, application_id, deployment, parameters, tags, priority,
        state, state_name, attempts, replays, previous_flow_runs, version)
    SELECT gen_random_uuid(), 'document', id::text, 'bench', application_id, 'bench/bench',
        jsonb_build_object('document_id', id), '[]', 100, 'ACCEPTED', 'Accepted', 0, 0, '[]', 1
    FROM document
), entry AS (
    INSERT INTO audit_log (actor, action, subject, detail)
    SELECT 'sns', 'document.received', 'document:' || id,
        jsonb_build_object('application', application_id, 'superseded', false)
    FROM document
), notification AS (
    INSERT INTO notifications (id, topic_arn, message_id, kind, envelope, outcome, sent_at)
    VALUES (gen_random_uuid(), repeat('t', 47), gen_random_uuid()::text,
        'Notification', :envelope, 'routed', now())
)
SELECT pg_notify('sluice_due', ''), pg_notify('sluice_changes', 'application:' || id) FROM application;
