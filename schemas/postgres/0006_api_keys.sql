-- Keys of the gateway: each speaks for one client. Part of the directory's version.
CREATE TABLE api_keys (
    id         text PRIMARY KEY,           -- what people call it by: the first, public part of the key
    client_id  text NOT NULL REFERENCES clients (id),
    name       text NOT NULL,              -- what it is for
    hash       bytea NOT NULL UNIQUE,      -- SHA-256 of the whole key, which is random and is stored nowhere
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
