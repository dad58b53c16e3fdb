-- Which sidecar embeds. A lease that is not renewed ends by itself.
CREATE TABLE embedding_lease (
    id BIGINT PRIMARY KEY,
    token TEXT NOT NULL,
    until BIGINT NOT NULL
);
INSERT INTO embedding_lease VALUES (1, '', 0);
