-- Requests with an Idempotency-Key, where there is no Redis.
CREATE TABLE idempotency (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,               -- SHA-256 of route and key, hexadecimal
    token TEXT NOT NULL,                -- of who carries it out; empty: answered
    body TEXT NOT NULL,                 -- SHA-256 of the request's body
    answer TEXT NOT NULL,
    until BIGINT NOT NULL,              -- it is forgotten after that
    PRIMARY KEY (user_id, digest)
);
CREATE INDEX idempotency_until ON idempotency (until);
