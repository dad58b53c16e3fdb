-- Of a question that was sent with an Idempotency-Key: what a repeat is known by, where the answer was lost.
ALTER TABLE messages ADD COLUMN repeat_tag TEXT NOT NULL DEFAULT '';
