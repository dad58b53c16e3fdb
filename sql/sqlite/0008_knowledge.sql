-- Documents, cut into chunks that are found by their words.

ALTER TABLE npcs ADD COLUMN world TEXT NOT NULL DEFAULT '';     -- whose documents it knows too; '': none

-- Whose documents: an NPC's, a world's, or those of all.
CREATE TABLE scopes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,          -- 'shared', 'npc/<npc_id>' or 'world/<owner_id>/<world>'
    dropped BIGINT NOT NULL DEFAULT 0,  -- 1: whom it belonged to is gone, and its name 'dropped/<id>'
    owner_id BIGINT NOT NULL,
    npc_id TEXT,                        -- of an NPC's
    documents BIGINT NOT NULL DEFAULT 0, -- that can be found
    stamp BIGINT NOT NULL DEFAULT 0     -- grows with every change; who changes a scope locks it with that
);
CREATE INDEX scopes_owner ON scopes (owner_id);
CREATE INDEX scopes_npc ON scopes (npc_id);
CREATE INDEX scopes_dropped ON scopes (id) WHERE dropped = 1;
INSERT INTO scopes (name, owner_id) VALUES ('shared', 0);

CREATE TABLE documents (
    document_id TEXT PRIMARY KEY,
    scope_id BIGINT NOT NULL REFERENCES scopes (id),
    digest TEXT NOT NULL,               -- SHA-256 of all that was given, hexadecimal
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    metadata TEXT NOT NULL,             -- a JSON object, or ''
    bytes BIGINT NOT NULL,              -- of its text
    chunks BIGINT NOT NULL,
    state BIGINT NOT NULL,              -- 0: not whole yet; 1: can be found; 2: deleted, its chunks still go
    created BIGINT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX documents_scope ON documents (scope_id, created, document_id);
CREATE INDEX documents_digest ON documents (scope_id, digest);
CREATE INDEX documents_state ON documents (state) WHERE state <> 1;

CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL REFERENCES documents (document_id),
    scope_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,                -- 0, 1, 2 … in the document
    heading TEXT NOT NULL,              -- the document's title and the headings that it stands under
    text TEXT NOT NULL,
    digest TEXT NOT NULL                -- SHA-256 of heading and text
);
CREATE INDEX chunks_document ON chunks (document_id, seq);

-- The scope is a word too, so that a search looks at one scope's chunks alone.
CREATE VIEW chunk_words AS SELECT id, 's' || scope_id AS scope, heading || char(10) || text AS words FROM chunks;
CREATE VIRTUAL TABLE chunk_index USING fts5 (scope, words, content='chunk_words', content_rowid='id',
                                             tokenize='porter unicode61');
CREATE TRIGGER chunks_added AFTER INSERT ON chunks BEGIN
    INSERT INTO chunk_index (rowid, scope, words)
    VALUES (new.id, 's' || new.scope_id, new.heading || char(10) || new.text);
END;
CREATE TRIGGER chunks_removed AFTER DELETE ON chunks BEGIN
    INSERT INTO chunk_index (chunk_index, rowid, scope, words)
    VALUES ('delete', old.id, 's' || old.scope_id, old.heading || char(10) || old.text);
END;

-- What hung on it is taken away in small steps, later: deleting an NPC takes no longer the more it knew.
CREATE TRIGGER npcs_forget AFTER DELETE ON npcs BEGIN
    UPDATE scopes SET name = 'dropped/' || id, dropped = 1, documents = 0, stamp = stamp + 1
    WHERE npc_id = old.npc_id;
END;
CREATE TRIGGER users_forget AFTER DELETE ON users BEGIN
    UPDATE scopes SET name = 'dropped/' || id, dropped = 1, documents = 0, stamp = stamp + 1
    WHERE owner_id = old.id;
END;
