-- Who is answering in a chat. A lease that is not renewed ends by itself; one that a crash of the server takes away
-- was as good as ended, so it need not wait for the disk.
CREATE UNLOGGED TABLE chat_leases (
    user_id BIGINT NOT NULL,
    chat_id TEXT NOT NULL,
    token TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (user_id, chat_id)
);
