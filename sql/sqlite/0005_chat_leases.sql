-- Who is answering in a chat. A lease that is not renewed ends by itself.
CREATE TABLE chat_leases (
    user_id BIGINT NOT NULL,
    chat_id TEXT NOT NULL,
    token TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (user_id, chat_id)
);
