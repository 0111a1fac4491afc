-- Receipts: how often Google was asked what became of a request that it took. Such rows are `sent`, and attend_at says when it is asked next.
ALTER TABLE dispatches ADD COLUMN questions integer NOT NULL DEFAULT 0;
CREATE INDEX dispatches_receipt ON dispatches (account_id, receipt, event_key) WHERE state = 'sent' AND attend_at IS NOT NULL;

-- Requests of a Google Cloud project, over all logins that share it and all workers. Minutes and days (UTC) are those of this database's clock.
CREATE TABLE quotas (
    name       text PRIMARY KEY,          -- logins.quota, or the login's own name
    minute     timestamptz NOT NULL,      -- the minute that `used` is of
    used       integer NOT NULL DEFAULT 0,
    used_ahead integer NOT NULL DEFAULT 0,    -- of the minute after it: what was given out so late that it may arrive in either
    day        date NOT NULL,             -- the day that `used_day` is of
    used_day   integer NOT NULL DEFAULT 0,
    granted    integer NOT NULL DEFAULT 0     -- what the last one who asked was given
) WITH (fillfactor = 50);
