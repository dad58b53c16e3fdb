-- API keys, by digest only.
CREATE TABLE api_keys (
    digest TEXT PRIMARY KEY,            -- SHA-256 of the key, hexadecimal
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL DEFAULT 0   -- 0: never
);
CREATE INDEX api_keys_user ON api_keys (user_id);

-- Attempts to log in by name since the window's start; a success takes the row away. Unknown names count too.
CREATE TABLE login_attempts (
    name_key TEXT PRIMARY KEY,
    attempts BIGINT NOT NULL,
    window_start BIGINT NOT NULL
);

CREATE TABLE npcs (
    npc_id TEXT PRIMARY KEY,
    owner_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    char_descr TEXT NOT NULL,
    world_descr TEXT NOT NULL,
    has_scratchpad BIGINT NOT NULL,     -- 0 or 1
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE INDEX npcs_owner ON npcs (owner_id, created, npc_id);
CREATE INDEX npcs_created ON npcs (created, npc_id);

-- What was taken over from the seed's system, so that a second import changes nothing.
CREATE TABLE imported (
    source TEXT PRIMARY KEY,            -- 'user:<name>' or 'npc:<id>'
    at BIGINT NOT NULL
);
