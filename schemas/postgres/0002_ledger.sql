-- The ledger: every event, and for every ad account of its client one dispatch with one state and one cause.

CREATE TABLE events (
    key         uuid PRIMARY KEY,       -- UUIDv5 of (client, event ID, name): every worker computes the same
    client_id   text NOT NULL,
    event_id    text NOT NULL,
    name        text NOT NULL,
    order_id    text,
    happened_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    value       numeric,
    currency    text,
    identities  uuid[] NOT NULL DEFAULT '{}',  -- keyed HMACs of e-mail, phone and external ID, cut to 16 bytes: for search
    cause       text,                   -- why it concerns no ad account, if it concerns none
    fingerprint bytea NOT NULL,         -- of time, value and click: tells a repetition from a contradiction
    differing   integer NOT NULL DEFAULT 0,    -- how often it came again with another fingerprint
    keep_until  timestamptz NOT NULL,
    body        json NOT NULL           -- domain::EventRecord: hashed, with every platform's form
) WITH (fillfactor = 95);

-- A body is just long enough to be compressed, and Postgres's own method takes ten times as long over it; one built without lz4 keeps its own.
DO $$ BEGIN
    EXECUTE 'ALTER TABLE events ALTER COLUMN body SET COMPRESSION lz4';
EXCEPTION WHEN feature_not_supported OR syntax_error THEN NULL;
END $$;

CREATE INDEX events_order_id ON events (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX events_event_id ON events (event_id);
CREATE INDEX events_received ON events (received_at);
CREATE INDEX events_keep_until ON events (keep_until);
CREATE INDEX events_identities ON events USING gin (identities);

CREATE TABLE dispatches (
    event_key          uuid NOT NULL,
    account_id         integer NOT NULL,
    platform           text NOT NULL,
    destination        text NOT NULL,   -- what was meant when the event came in
    state              text NOT NULL CHECK (state IN
                       ('queued', 'sending', 'waiting', 'paused', 'sent', 'confirmed', 'not_sent', 'failed')),
    cause              text,
    detail             text,
    due                timestamptz,     -- waiting: when it is tried next
    deadline           timestamptz NOT NULL,
    attend_at          timestamptz,     -- when the keeper looks after it; null: it needs nobody
    lease              uuid,            -- sending: whose it is
    attempts           integer NOT NULL DEFAULT 0,
    deferrals          integer NOT NULL DEFAULT 0,   -- attempts that count for the backoff
    republished        integer NOT NULL DEFAULT 0,   -- how often it had to be published again without any news of it
    dead_count         integer NOT NULL DEFAULT 0,   -- how often it has failed; a dead copy of an earlier failure is stale
    first_ambiguous_at timestamptz,
    probe              boolean NOT NULL DEFAULT false,
    receipt            text,
    click              json,            -- domain::Click that it is attributed to
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_key, account_id)
) WITH (fillfactor = 70);

-- What attend_at means: queued, when it counts as silent; sending, when its lease ends; waiting, when it is due;
-- paused, its deadline; failed, when a missing dead copy is made good.
CREATE INDEX dispatches_attend ON dispatches (state, attend_at) WHERE attend_at IS NOT NULL;
CREATE INDEX dispatches_paused ON dispatches (account_id, deadline) WHERE state = 'paused';

-- One row for each attempt, written when it ends; never changed.
CREATE TABLE attempts (
    at          timestamptz NOT NULL DEFAULT now(),
    event_key   uuid NOT NULL,
    account_id  integer NOT NULL,
    number      integer NOT NULL,
    outcome     text NOT NULL,          -- delivered, accepted, deferred, ambiguous, blocked, refused, not_sent
    cause       text,
    code        text,
    message     text,                   -- the platform's words, cleaned
    request_id  text,                   -- the platform's name for the request
    http_status smallint,
    duration_ms integer,
    batch       integer NOT NULL DEFAULT 1
) PARTITION BY RANGE (at);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;
CREATE INDEX attempts_event ON attempts (event_key, account_id);

-- Messages that came back often and are being handled alone: a row that was begun and never ended tells of a worker that died of it.
CREATE TABLE trials (
    digest   uuid PRIMARY KEY,          -- of the message's body
    begun    integer NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now()
);

-- Events that no ad account of the client wants, counted instead of stored.
CREATE TABLE unwanted_events (
    day       date NOT NULL,
    client_id text NOT NULL,
    name      text NOT NULL,
    count     bigint NOT NULL,
    PRIMARY KEY (day, client_id, name)
);

-- What is left of conversions when their rows are gone; kept for years.
CREATE TABLE daily_totals (
    day        date NOT NULL,
    client_id  text NOT NULL,
    account_id integer NOT NULL,
    name       text NOT NULL,
    state      text NOT NULL,
    cause      text NOT NULL DEFAULT '',
    currency   text NOT NULL DEFAULT '',
    count      bigint NOT NULL,
    value      numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (day, client_id, account_id, name, state, cause, currency)
);
