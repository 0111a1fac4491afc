-- Clients, logins, ad accounts and pauses: small tables, read whole by every worker.

CREATE TABLE clients (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    country    text,                    -- ISO 3166 alpha-2, for phone numbers without a country code
    currency   text,                    -- ISO 4217, for events with a value and no currency
    timezone   text,                    -- IANA name, for reports
    removed_at timestamptz
);

CREATE TABLE logins (
    name       text PRIMARY KEY,
    platform   text NOT NULL,
    credential jsonb NOT NULL,          -- where the secret lies, never the secret
    manager    text,                    -- Google: manager account, digits only
    app_secret text,                    -- Meta: where the app secret lies
    quota      text,                    -- Google: Cloud project whose quota it shares
    revision   integer NOT NULL DEFAULT 1,
    removed_at timestamptz
);

CREATE TABLE ad_accounts (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id   text NOT NULL REFERENCES clients (id),
    name        text NOT NULL,
    platform    text NOT NULL,
    destination text NOT NULL,
    login       text NOT NULL REFERENCES logins (name),
    rules       jsonb NOT NULL DEFAULT '{}',
    scopes      text[] NOT NULL DEFAULT '{}',  -- every pause scope that holds it back
    removed_at  timestamptz,                   -- a tombstone: dispatches still name it
    UNIQUE (client_id, platform, destination)
);

-- Counts up with every change of the tables above and of pauses; workers poll it, NOTIFY is only a hint.
CREATE TABLE directory_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  bigint NOT NULL
);
INSERT INTO directory_version (version) VALUES (1);

-- Secrets that live in Postgres, sealed with a key that does not.
CREATE TABLE sealed_secrets (
    name   text PRIMARY KEY,
    nonce  bytea NOT NULL,
    sealed bytea NOT NULL
);

CREATE TABLE pauses (
    scope    text PRIMARY KEY,          -- login:NAME, account:NUMBER, quota:NAME, platform:NAME
    cause    text NOT NULL,
    detail   text,                      -- the platform's words, cleaned, or the person's reason
    by_hand  boolean NOT NULL DEFAULT false,
    since    timestamptz NOT NULL DEFAULT now(),
    until    timestamptz,               -- null: until someone resumes it or a probe gets through
    probe_at timestamptz                -- when the next probe may go out; null: none does
);
