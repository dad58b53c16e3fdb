-- Who may use the service. Everything hangs on users.id, which is never given twice: a name that is deleted and
-- taken again inherits nothing.
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,                 -- as it was given
    name_key TEXT NOT NULL UNIQUE,      -- ASCII letters folded to lower case
    name_digest TEXT NOT NULL UNIQUE,   -- SHA-256 of name_key, hexadecimal: the edge sends no names in paths
    password_hash TEXT NOT NULL,        -- crypt(3); empty: no password opens it
    plan TEXT NOT NULL DEFAULT '',      -- JSON, see the contract; empty: the defaults
    created BIGINT NOT NULL
);

-- The admin: key from the environment, never from here.
INSERT INTO users (id, name, name_key, name_digest, password_hash, created)
VALUES (0, 'admin', 'admin', '8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918', '', now_ms());
