-- The click ledger: which ad clicks are known of which person, so that a sale that comes later, and from elsewhere, finds the ad it came from.
CREATE TABLE clicks (
    client_id     text NOT NULL,
    identity      uuid NOT NULL,          -- keyed HMAC of an e-mail address, phone, external ID or WhatsApp user, cut to 16 bytes
    click         uuid NOT NULL,          -- UUIDv5 of source, kind and click ID: every worker computes the same
    source        text NOT NULL,          -- meta, google, tiktok, whatsapp, whatsapp:WABA: which ad accounts take it
    kind          text NOT NULL,          -- domain::ClickKind
    value         text NOT NULL,          -- the click ID, as the platform gave it
    first_seen    timestamptz NOT NULL,   -- when the person clicked, as nearly as is known; only ever moves back
    time_is_known boolean NOT NULL,       -- whether that is the time of the click itself
    PRIMARY KEY (client_id, identity, click)
-- Look-ups read the index alone, which they can where vacuum has been; most rows are inserted once and never touched.
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05);

-- The newest clicks of a person that an ad account takes, without a look at the table.
CREATE INDEX clicks_latest ON clicks (client_id, identity, source, first_seen DESC) INCLUDE (kind, value, time_is_known);
CREATE INDEX clicks_first_seen ON clicks (first_seen);

-- What waits for a click, however much else waits beside it.
CREATE INDEX dispatches_awaiting_click ON dispatches (attend_at) WHERE state = 'waiting' AND cause = 'waiting_for_click';
