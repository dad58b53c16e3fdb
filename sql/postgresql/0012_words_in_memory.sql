-- Sidecars rank words in memory: what the database counted for them goes, for it kept uploads and chats waiting.

DROP TRIGGER chunks_added ON chunks;
DROP TRIGGER chunks_removed ON chunks;
DROP FUNCTION count_added_words();
DROP FUNCTION count_removed_words();
DROP TABLE lexeme_counts;
DROP TABLE scope_words;
DROP INDEX chunks_words;
ALTER TABLE chunks DROP COLUMN word_count;

-- Words as they are compared: without endings, and without those that stand in every text.
CREATE FUNCTION lexemes(given text) RETURNS tsvector LANGUAGE sql IMMUTABLE AS
$$ SELECT to_tsvector('pg_catalog.english', given) $$;

CREATE OR REPLACE FUNCTION set_chunk_words() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    new.words := to_tsvector('pg_catalog.english', new.heading || E'\n' || new.text);
    RETURN new;
END
$$;

-- For sidecars of before, which may run a while longer.
CREATE OR REPLACE FUNCTION search_words(scope_a bigint, scope_b bigint, asked text, most bigint)
RETURNS TABLE (chunk_id bigint, score double precision) LANGUAGE sql STABLE AS
$$
    SELECT c.id, ts_rank(c.words, q.wanted)::double precision
    FROM chunks c JOIN documents d ON d.document_id = c.document_id AND d.state = 1,
         (SELECT string_agg(quote_lexeme(l.lexeme), ' | ')::tsquery AS wanted
          FROM unnest(tsvector_to_array(to_tsvector('pg_catalog.english', asked))) AS l (lexeme)) q
    WHERE c.scope_id IN (scope_a, scope_b) AND c.words @@ q.wanted
    ORDER BY 2 DESC, 1 LIMIT most
$$;

-- The order in which a scope's documents could be found, and a notice to those who have the scope in memory.
ALTER TABLE documents ADD COLUMN published BIGINT NOT NULL DEFAULT 0; -- its scope's stamp at that time
CREATE FUNCTION set_published() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    new.published := (SELECT s.stamp FROM scopes s WHERE s.id = new.scope_id);
    PERFORM pg_notify('npcchat_vectors', new.scope_id::text);
    RETURN new;
END
$$;
CREATE TRIGGER documents_published BEFORE UPDATE OF state ON documents FOR EACH ROW
WHEN (new.state = 1 AND old.state <> 1) EXECUTE FUNCTION set_published();
