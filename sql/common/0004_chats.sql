-- Sessions, where there is no Redis.
CREATE TABLE chats (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    chat_id TEXT NOT NULL,
    npc_id TEXT,                        -- '': the plain assistant; NULL: not bound yet (an imported chat)
    memory TEXT NOT NULL DEFAULT '',
    remembered BIGINT NOT NULL DEFAULT 0, -- messages up to this number are in the memory
    messages BIGINT NOT NULL DEFAULT 0, -- the newest message's number
    used BIGINT NOT NULL,
    PRIMARY KEY (user_id, chat_id)
);
CREATE INDEX chats_used ON chats (used);

CREATE TABLE messages (
    user_id BIGINT NOT NULL,
    chat_id TEXT NOT NULL,
    seq BIGINT NOT NULL,                -- 1, 2, 3 …
    role TEXT NOT NULL,                 -- 'user' or 'assistant'
    text TEXT NOT NULL,
    scratchpad TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (user_id, chat_id, seq),
    FOREIGN KEY (user_id, chat_id) REFERENCES chats (user_id, chat_id) ON DELETE CASCADE
);
