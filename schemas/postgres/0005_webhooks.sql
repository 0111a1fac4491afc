-- Webhooks and what other systems publish in their own shape: kept with clients and ad accounts, and part of the directory's version.
ALTER TABLE clients ADD COLUMN webhooks jsonb NOT NULL DEFAULT '{}';   -- domain::webhook::WebhookSource by source; where secrets lie, never the secrets

CREATE TABLE mappings (
    name       text PRIMARY KEY,
    definition jsonb NOT NULL,             -- domain::mapping::Mapping
    removed_at timestamptz
);

CREATE TABLE inputs (
    name       text PRIMARY KEY,
    queue      text NOT NULL,              -- somebody else's: it is consumed and never declared
    mapping    text NOT NULL,
    client_id  text,                       -- whose events these are, where the mapping does not say so
    removed_at timestamptz
);
