-- Chunks as vectors. A new model (or number of dimensions) gets a new row, and all chunks are embedded again.
CREATE TABLE embedding_models (
    id BIGINT PRIMARY KEY,              -- the newest is the one in use
    name TEXT NOT NULL,                 -- as the embedder has it; '' where it does not say
    dimensions BIGINT NOT NULL,
    created BIGINT NOT NULL
);

-- By text, so that no text is embedded twice.
CREATE TABLE vectors (
    digest TEXT NOT NULL,               -- of the chunks that have it
    model_id BIGINT NOT NULL,
    vector TEXT NOT NULL,               -- see knowledge/vector.hpp
    PRIMARY KEY (digest, model_id)
);
CREATE INDEX vectors_model ON vectors (model_id);

ALTER TABLE chunks ADD COLUMN model_id BIGINT NOT NULL DEFAULT 0; -- that it has last been embedded for
ALTER TABLE chunks ADD COLUMN stamp BIGINT NOT NULL DEFAULT 0;    -- its scope's at that time
CREATE INDEX chunks_model ON chunks (model_id, id);
CREATE INDEX chunks_stamp ON chunks (scope_id, stamp, id);
CREATE INDEX chunks_digest ON chunks (digest);
