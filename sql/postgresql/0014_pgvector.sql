-- Vectors for pgvector, where the operator has created the extension (0.8 or later): PostgreSQL searches them itself then
-- (knowledge/embedding_store.cpp). A table for each model, as vectors of a column have one number of dimensions.

-- The numbers of a vector as knowledge/vector.hpp encodes it, without their scale: a cosine has no use for it.
CREATE FUNCTION vector_numbers(encoded text) RETURNS real[] LANGUAGE sql IMMUTABLE STRICT AS
$$
    SELECT array_agg((CASE WHEN n.byte > 127 THEN n.byte - 256 ELSE n.byte END)::real ORDER BY n.place)
    FROM (SELECT i AS place, get_byte(d.bytes, i) AS byte
          FROM (SELECT decode(encoded, 'base64') AS bytes) d, generate_series(4, length(d.bytes) - 1) AS i) n
$$;

CREATE FUNCTION pgvector_table(model bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'near_chunks_' || model $$;

CREATE FUNCTION has_pgvector() RETURNS boolean LANGUAGE sql STABLE AS
$$
    SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector'
                   AND string_to_array(substring(extversion FROM '^[0-9]+[.][0-9]+'), '.')::int[] >= ARRAY[0, 8])
$$;

-- 1 where the model has a table now; 0 where there is no extension, or none that can index so many dimensions.
CREATE FUNCTION use_pgvector(model bigint, dimensions bigint) RETURNS bigint LANGUAGE plpgsql AS
$$
DECLARE
    can boolean := has_pgvector() AND dimensions <= 2000;
    unused text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('npcchat pgvector', 0));
    FOR unused IN SELECT pgvector_table(m.id) FROM embedding_models m WHERE m.id < model OR NOT can LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', unused);
    END LOOP;
    IF can AND to_regclass(pgvector_table(model)) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (chunk_id bigint PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE, '
                       'scope_id bigint NOT NULL, embedding vector(%s) NOT NULL)', pgvector_table(model), dimensions);
        EXECUTE format('CREATE INDEX ON %I (scope_id)', pgvector_table(model));
        EXECUTE format('CREATE INDEX ON %I USING hnsw (embedding vector_cosine_ops)', pgvector_table(model));
    END IF;
    RETURN can::int;
END
$$;

-- Copies the vectors of `most` chunks that come after the chunk `after`. The last of them; null where there is none.
CREATE FUNCTION copy_to_pgvector(model bigint, after bigint, most bigint) RETURNS bigint LANGUAGE plpgsql AS
$$
DECLARE
    last bigint;
BEGIN
    EXECUTE format('WITH page AS (SELECT c.id, c.scope_id, c.digest FROM chunks c WHERE c.model_id = $1 AND c.id > $2 '
                   'ORDER BY c.id LIMIT $3), '
                   'copied AS (INSERT INTO %I SELECT p.id, p.scope_id, vector_numbers(v.vector)::vector '
                   'FROM page p JOIN vectors v ON v.digest = p.digest AND v.model_id = $1 ON CONFLICT DO NOTHING) '
                   'SELECT max(p.id) FROM page p', pgvector_table(model))
    INTO last USING model, after, most;
    RETURN last;
END
$$;

CREATE FUNCTION copy_vector() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
    IF to_regclass(pgvector_table(new.model_id)) IS NOT NULL AND has_pgvector() THEN
        EXECUTE format('INSERT INTO %I SELECT $1, $2, vector_numbers(v.vector)::vector FROM vectors v '
                       'WHERE v.digest = $3 AND v.model_id = $4 ON CONFLICT DO NOTHING', pgvector_table(new.model_id))
        USING new.id, new.scope_id, new.digest, new.model_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER chunks_embedded AFTER INSERT OR UPDATE OF model_id ON chunks FOR EACH ROW
WHEN (new.model_id > 0) EXECUTE FUNCTION copy_vector();

-- A scope's chunks whose vectors are nearest to the encoded one, by cosine.
CREATE FUNCTION near_chunks(model bigint, scope bigint, encoded text, most bigint)
RETURNS TABLE (chunk_id bigint, cosine double precision) LANGUAGE plpgsql AS
$$
BEGIN
    PERFORM set_config('hnsw.ef_search', '200', true), set_config('hnsw.iterative_scan', 'relaxed_order', true);
    RETURN QUERY EXECUTE
        format('SELECT n.chunk_id, 1 - (n.embedding <=> $1) FROM %I n WHERE n.scope_id = $2 AND EXISTS (SELECT FROM chunks c '
               'JOIN documents d ON d.document_id = c.document_id WHERE c.id = n.chunk_id AND d.state = 1) '
               'ORDER BY n.embedding <=> $1 LIMIT $3', pgvector_table(model))
        USING vector_numbers(encoded)::vector, scope, most;
END
$$;
