-- The sidecar ranks words in memory: an index of them in the database kept uploads and chats waiting.
-- lexemes() is registered by it on its connections: words as full text (FTS5) cuts and stems them.

DROP TRIGGER chunks_added;
DROP TRIGGER chunks_removed;
DROP TABLE chunk_index;
DROP VIEW chunk_words;

-- The order in which a scope's documents could be found.
ALTER TABLE documents ADD COLUMN published BIGINT NOT NULL DEFAULT 0; -- its scope's stamp at that time
CREATE TRIGGER documents_published AFTER UPDATE OF state ON documents WHEN new.state = 1 AND old.state <> 1 BEGIN
    UPDATE documents SET published = (SELECT s.stamp FROM scopes s WHERE s.id = new.scope_id)
    WHERE document_id = new.document_id;
END;
