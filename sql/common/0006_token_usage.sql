-- Tokens that users have used.
CREATE TABLE token_usage (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,                -- of UTC, since 1970-01-01
    model TEXT NOT NULL,                -- the one that answered
    requests BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    PRIMARY KEY (user_id, day, model)
);
